"""YAML text → plain values: mappings, lists, strings, numbers. Bounded before anything is built from it.

A few lines can stand for billions of values (an alias of aliases), for themselves, or for a nesting that no reader
survives. Such text is refused by what it would become: its size, its depth, and how many values it names. So is what
would be read otherwise than people mean it, silently: a name that stands twice, and 010 or 1:30 as a number.
"""

import re
from collections.abc import Iterator
from typing import Any, Final

import yaml

from chartune.errors import ConfigError

MOST_BYTES: Final = 1 << 20
"""Of a file. A config is some lines long."""
MOST_DEPTH: Final = 50
"""Mappings and lists within each other."""
MOST_VALUES: Final = 100_000
"""Values, each alias counted with all that it stands for."""
_NUMBERS: Final = {"tag:yaml.org,2002:int", "tag:yaml.org,2002:float"}
_MERGE: Final = "tag:yaml.org,2002:merge"
_OCTAL: Final = re.compile(r"[-+]?0[0-7_]+")


def plain(text: str, place: str) -> Any:
    """What a YAML document says.

    Args:
        text: the document.
        place: where it comes from, for the error.

    Raises:
        ConfigError: it is no YAML, asks for Python objects, or stands for more than a config can hold.
    """
    if len(text) > MOST_BYTES:
        raise ConfigError(f"{place} must be at most {MOST_BYTES >> 10} KiB of YAML, but is larger; give a config file.")
    loader = yaml.SafeLoader("")
    try:
        _must_be_shallow(text, place)
        loader = yaml.SafeLoader(text)
        node = loader.get_single_node()
        if node is None:
            return None
        _measured(node, place, {})
        for part in _nodes(node, set()):
            _must_be_named_once(part, place)
            _must_be_decimal(part, place)
        value = loader.construct_document(node)
    except yaml.YAMLError as error:
        raise ConfigError(f"{place} must be plain YAML, but it is not at {_where(error)}.") from None
    except (ValueError, OverflowError) as error:  # a date that does not exist, a number of thousands of digits
        raise ConfigError(f"{place} must be plain YAML, but holds a value that is none ({error}).") from None
    finally:
        loader.dispose()
    _must_have_names(value, place)
    return value


def _where(error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    where = f"line {mark.line + 1}, column {mark.column + 1}" if mark else "an unknown place"
    return f"{where}: {getattr(error, 'problem', '') or getattr(error, 'reason', '')}"


def _must_be_shallow(text: str, place: str) -> None:
    """Refuse a nesting that would end the reader. The parser's own events need no stack."""
    depth = 0
    for event in yaml.parse(text, yaml.SafeLoader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > MOST_DEPTH:
            raise _too_much(place, f"nests its values deeper than {MOST_DEPTH} levels")


def _measured(node: yaml.Node, place: str, known: dict[int, tuple[int, int] | None]) -> tuple[int, int]:
    """How many values a node stands for, aliases followed, and how deep.

    Args:
        node: of the document; an alias is the very node that it names.
        place: for the error.
        known: id of a node → values and depth; None: it is being measured.
    """
    if id(node) in known:
        size = known[id(node)]
        if size is None:
            raise _too_much(place, "holds an alias of itself")
        return size
    known[id(node)] = None
    values, depth = 1, 1
    for part in _parts(node):
        more, below = _measured(part, place, known)
        values, depth = values + more, max(depth, below + 1)
    if values > MOST_VALUES:
        raise _too_much(place, f"stands for more than {MOST_VALUES:,} values, its aliases counted")
    if depth > MOST_DEPTH + 1:
        raise _too_much(place, f"nests its values deeper than {MOST_DEPTH} levels")
    known[id(node)] = (values, depth)
    return values, depth


def _parts(node: yaml.Node) -> list[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        return [part for pair in node.value for part in pair]
    return list(node.value) if isinstance(node, yaml.SequenceNode) else []


def _nodes(node: yaml.Node, known: set[int]) -> Iterator[yaml.Node]:
    """A node and all below it, each once."""
    if id(node) not in known:
        known.add(id(node))
        yield node
        for part in _parts(node):
            yield from _nodes(part, known)


def _must_be_named_once(node: yaml.Node, place: str) -> None:
    """Refuse a mapping that gives a name twice: the last would win without a word."""
    lines: dict[str, int] = {}
    for key in [key for key, _ in node.value] if isinstance(node, yaml.MappingNode) else ():
        if not isinstance(key, yaml.ScalarNode) or key.tag == _MERGE:
            continue
        line = key.start_mark.line + 1
        if key.value in lines:
            raise ConfigError(
                f"{place} must name each value once, but {key.value[:60]!r} stands in line {lines[key.value]} and "
                f"again in line {line}; take one of them out."
            )
        lines[key.value] = line


def _must_be_decimal(node: yaml.Node, place: str) -> None:
    """Refuse numbers to the base 60 and 8 that look like a time or an id with a leading zero."""
    if not isinstance(node, yaml.ScalarNode) or node.tag not in _NUMBERS:
        return
    base = 60 if ":" in node.value else 8 if _OCTAL.fullmatch(node.value) else 10
    if base != 10:
        raise ConfigError(
            f"{place} must write its numbers in tens, but line {node.start_mark.line + 1} has {node.value[:60]}, which "
            f"YAML reads as a number to the base {base}; put it in quotes if it is a text, or write the number that is "
            f"meant."
        )


def _must_have_names(value: Any, place: str) -> None:
    """Refuse what JSON could not hold: a mapping whose keys are dates or lists."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    keys = value if isinstance(value, dict) else ()
    strange = [key for key in keys if isinstance(key, bool) or not isinstance(key, str | int | float | None)]
    if strange:
        raise ConfigError(
            f"{place} must name its values by words or numbers, but a key is a {type(strange[0]).__name__}; put it in "
            f"quotes (yes, no, on and off are truth values to YAML)."
        )
    for part in inner:
        _must_have_names(part, place)


def _too_much(place: str, what: str) -> ConfigError:
    return ConfigError(f"{place} must be a config that people wrote, but it {what}; write it out, and smaller.")
