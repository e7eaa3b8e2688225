"""Plain mappings, nested as in YAML: merged, read and set by dotted paths, under one rule for `kind`.

A mapping's `kind` says what its other fields mean. What is merged or set under another kind therefore begins anew: a
rank means nothing to another method.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeAlias

KIND: Final = "kind"
KindAt: TypeAlias = Callable[[Sequence[str]], Any]
"""Path of a mapping → the kind that it is of where it does not say so itself; None: not known."""


def merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """`above` over `below`, at every depth; a mapping of another `kind` takes nothing from below."""
    full = {**below, **above}
    for name, value in above.items():
        under = below.get(name)
        if isinstance(value, Mapping) and isinstance(under, Mapping) and of_one_kind(under, value):
            full[name] = merged(under, value)
    return full


def of_one_kind(below: Mapping[str, Any], above: Mapping[str, Any]) -> bool:
    """Whether `above` is of the kind of `below`, or does not say of which."""
    return bool(above.get(KIND, below.get(KIND)) == below.get(KIND))


def put(data: Any, assignments: Sequence[tuple[str, Any]], kind_at: KindAt = lambda path: None) -> None:
    """Set dotted paths in place; mappings on the way are made, and kinds are set before what depends on them.

    Args:
        data: mappings and lists, nested.
        assignments: path, such as `stack.layers.0.method.rank`, and value.
        kind_at: the kind of mappings that do not say it.

    Raises:
        ValueError: a path leads through a plain value, or to an element that a list does not have.
    """
    for path, value in sorted(assignments, key=lambda assignment: _of_a_kind(assignment[0])):
        steps = path.split(".")
        place = data
        for number in range(len(steps) - 1):
            key = _key(place, path, number)
            place = place.setdefault(key, {}) if isinstance(place, dict) else place[key]
        key = _key(place, path, len(steps) - 1)
        if key == KIND and place.get(KIND, kind_at(steps[:-1])) != value:
            place.clear()
        place[key] = value


def value_at(data: Any, path: str) -> Any:
    """What a dotted path leads to; None where there is nothing.

    Args:
        data: mappings and lists, nested.
        path: such as `stack.layers.0.method.rank`.
    """
    for step in path.split("."):
        if isinstance(data, (list, tuple)) and step.isdecimal() and int(step) < len(data):
            data = data[int(step)]
        else:
            data = data.get(step) if isinstance(data, Mapping) else None
    return data


def _of_a_kind(path: str) -> tuple[bool, int]:
    """Sorts kinds first, outer ones before inner ones; all else stays in order."""
    steps = path.split(".")
    return (False, len(steps)) if steps[-1] == KIND else (True, 0)


def _key(place: Any, path: str, number: int) -> str | int:
    """The key of step `number` of a path at the place that the steps before it have reached."""
    steps = path.split(".")
    step, reached = steps[number], ".".join(steps[:number])
    if isinstance(place, dict):
        return step
    if not isinstance(place, list):
        raise ValueError(
            f"`{path}` leads through `{reached}`, which is a plain value there; set `{reached}` itself, or write it as "
            f"a mapping"
        )
    if not step.isdecimal() or int(step) >= len(place):
        raise ValueError(
            f"for `{path}` there is no element {step!r} in `{reached}`, which has {len(place)}; write those of "
            f"`{reached}` first, counted from 0"
        )
    return int(step)
