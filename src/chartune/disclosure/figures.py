"""What a program gets: JSON whose every count is shown by its class, and which says so.

The rule is closed: every number of a `dataset.json` counts people unless it is listed here as something else, so that
a count that somebody adds later is not disclosed.
"""

from collections.abc import Mapping
from typing import Any, Final

from chartune.disclosure.counts import Sourced, amount_shown, crossed, is_made_up, shown
from chartune.disclosure.words import shown_sentence

EXACT: Final = "exact"
ROUNDED: Final = "rounded"
RELEASE: Final = "DO NOT RELEASE: exact counts of real patients, for the analyst alone"
"""Stands over everything that holds them."""
_CHOICES: Final = frozenset({
    "config", "rule", "usual", "labels", "titles", "bytes", "sha256", "revision", "chartune", "file", "made", "classes",
    "inputs",
})  # fmt: skip
"""Entries that hold choices, names and sizes of files."""
_BY_NAME: Final = frozenset({"tasks", "tables", "counts"})
"""Entries whose keys are names, which may be any word: that of the task of a table is `labels`."""
_SENTENCES: Final = frozenset({"warnings", "notices"})
_DIGITS: Final = 1
"""After the point, of a share that stands in an entry of data: some in ten."""


def figures(source: Sourced, exact: bool) -> dict[str, Any]:
    """The fields of a JSON answer that say what its counts are: `figures` and `do_not_release`.

    Args:
        source: whose counts they are.
        exact: whether the analyst has asked for exact counts.
    """
    fictional = is_made_up(source)
    return {"figures": EXACT if exact or fictional else ROUNDED, "do_not_release": exact and not fictional}


def released(dataset: Mapping[str, Any], exact: bool) -> dict[str, Any]:
    """A `dataset.json` as it is shown: of real patients with classes (`30+`) in place of counts.

    Args:
        dataset: its content.
        exact: whether it is shown as it is: the patients are fictional, or the analyst has asked for exact counts.
    """
    if exact:
        return dict(dataset)
    return {name: _shown(name, value) for name, value in dataset.items()}


def _shown(name: str, value: Any) -> Any:
    if name in _CHOICES or isinstance(value, bool) or value is None:
        return value
    if name in _SENTENCES and isinstance(value, list):
        return [shown_sentence(str(item), exact=False) for item in value]
    if name == "characteristics" and isinstance(value, list):
        return [_characteristic(row) for row in value]
    if name == "attrition" and isinstance(value, list):
        return [_shown("", {key: of for key, of in row.items() if not key.startswith("removed_")}) for row in value]
    if isinstance(value, Mapping):
        kept = {str(key): of for key, of in value.items() if key != "labels_assigned"}
        return {key: _shown("" if name in _BY_NAME else key, of) for key, of in kept.items()} | _sums(value)
    if isinstance(value, (list, tuple)):
        return [_shown(name, item) for item in value]
    if isinstance(value, int):
        return shown(value, exact=False)
    return round(value, _DIGITS) if isinstance(value, float) else value


def _characteristic(row: Mapping[str, Any]) -> dict[str, Any]:
    """Cells of a cross table; quartiles are for a report, which knows how many stand behind them."""
    cells = {
        level: {group: crossed(count, exact=False) for group, count in of.items()}
        for level, of in row.get("levels", {}).items()
    }
    missing = {group: shown(count, exact=False) for group, count in row.get("missing", {}).items()}
    return {"name": row["name"], "unit": row.get("unit", ""), "levels": cells, "missing": missing}


def _sums(counts: Mapping[str, Any]) -> dict[str, str]:
    """The words of documents that are counted beside them."""
    known = {"words", "documents"} <= set(counts)
    return {"words": amount_shown(counts["words"], counts["documents"], exact=False)} if known else {}
