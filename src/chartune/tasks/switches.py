"""Fidelity switches in force: each place where prepared data may follow a published recipe or chartune's own.

Every number that is made from the data carries them, so that two numbers can be distinguished by what was switched.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from chartune.tasks.dataset import Dataset

_NOT_SWITCHES: Final = ("kind", "title")


def switches(dataset: Dataset, task: str | None) -> dict[str, Any]:
    """The switches of a task, or of the corpus where there is none, as flat names and values; `preset` first.

    Args:
        dataset: `dataset.json`.
        task: its name; None: what a language model was adapted on.
    """
    config = dataset.config
    asked = (dataset.tasks[task].config if task in dataset.tasks else None) if task else config.get("corpus")
    near = config.get("near_copies") or {}
    whole = {
        "preset": config.get("preset", "sound"), "held_out_copies": config.get("held_out_copies", "left-out"),
        "held_out_near_copies": near.get("containment", "kept"),
        "line_breaks": config.get("line_breaks", "as-written"),
    }  # fmt: skip
    return whole | dict(_flat(asked or {}))


def _flat(config: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in config.items():
        if isinstance(value, Mapping):
            if "kind" in value:
                yield f"{above}{name}", value["kind"]
            yield from _flat(value, f"{name}.")
        elif name not in _NOT_SWITCHES:
            yield f"{above}{name}", ", ".join(map(str, value)) if isinstance(value, list) else value
