"""Hyperparameters: every choice of every run's stage, beside each other; what all runs share is listed once.

stage.yaml of each run ─flattened to paths─▶ path × variant
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from chartune.report.table import Cell, Column, Table
from chartune.report.variants import Variant

NONE: Final = "–"
"""Stands where a kind of stage has no such field, or nothing is set."""
_ELSEWHERE: Final = frozenset({"kind", "name", "data", "backbone", "seed", "run", "trackers", "members"})
"""Fields that stand in other tables, or hold paths of the machine."""


def hyperparameter_table(variants: Sequence[Variant], caption: str) -> Table | None:
    """What was chosen for each variant; None: no run has kept its stage.

    Args:
        variants: numbered, of one section.
        caption: whose.
    """
    chosen = {v.label: dict(_flat(_choices(v))) for v in variants}
    paths = list(dict.fromkeys(path for fields in chosen.values() for path in fields))
    if not paths:
        return None
    columns = (Column("Field", numeric=False), *(Column(v.label, v.name, numeric=False) for v in variants))
    rows = [(Cell("seed"), *(Cell(", ".join(dict.fromkeys(str(run.about.seed) for run in v.runs))) for v in variants))]
    rows += [(Cell(path), *(Cell(chosen[v.label].get(path, NONE)) for v in variants)) for path in paths]
    return Table(caption, columns, tuple(rows), "As `stage.yaml` of each run holds them.", cards=False)


def _choices(variant: Variant) -> dict[str, Any]:
    """The fields of its stage; the layers of its stack as the run has resolved them, without paths."""
    run = variant.run
    fields = {name: value for name, value in run.stage.items() if name not in {*_ELSEWHERE, "stack"}}
    stack = {f"layer {n}": {"state": layer.state, **(layer.method or {})} for n, layer in enumerate(run.stack, 1)}
    recorded = {"tokens read": run.about.max_seq_len, "strength chosen": run.about.strength}
    known = {name: value for name, value in recorded.items() if value is not None}
    task = {} if run.task is None else {"task": run.task}
    weights = {f"weight of {member.name}": member.weight for member in run.about.members}
    return {"kind": run.kind, **stack, **known, **weights, **fields, **task}


def _flat(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping) and value:
        for name, inner in value.items():
            yield from _flat(inner, f"{path}.{name}" if path else str(name))
    else:
        yield path, _plain(value)


def _plain(value: Any) -> str:
    if value is None or value == {} or value == []:
        return NONE
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(_plain(item) for item in value)
    return f"{value:g}" if isinstance(value, float) else str(value)
