"""`chartune prepare`: raw tables → datasets of all tasks and the corpus."""

from pathlib import Path
from typing import Annotated, Any

import typer

from chartune.cli.options import (
    DEFAULT_STORE,
    JsonOption,
    SetOption,
    SourceOption,
    SplitsOption,
    StoreOption,
    emit,
    open_store,
    overridden,
    source_at,
)  # fmt: skip


def command(
    folder: Annotated[
        Path,
        typer.Argument(help="Raw data as shipped (the folder of MIMIC-III or MIMIC-IV), or a table of your own notes."),
    ],
    source: SourceOption = None,
    splits: SplitsOption = None,
    sets: SetOption = None,
    store: StoreOption = DEFAULT_STORE,
    as_json: JsonOption = False,
) -> None:
    """Read raw files once and prepare every task and the corpus: who is in, what is seen, what is asked.

    Every filter is named and counted. The result is kept in the store; asking again takes no time.
    """
    from chartune.tasks.prepare import Preparation, prepare, read_dataset

    data: dict[str, Any] = {"source": source_at(folder, source)}
    if splits:
        data["splits"] = {"kind": "imported", "folder": str(splits)}
    artefact = prepare(Preparation.parse(overridden(data, sets, Preparation)), open_store(store))
    dataset = read_dataset(artefact)
    emit(
        {"data": artefact.fingerprint, "folder": str(artefact.path), **dataset},
        as_json,
        told(artefact.fingerprint, dataset),
    )


def told(fingerprint: str, dataset: dict[str, Any]) -> str:
    """The attrition of each task and of the corpus, as lines."""
    lines = [f"{dataset['source']['title']}  (data {fingerprint})"]
    parts = [*dataset["tasks"].items(), *([("corpus", dataset["corpus"])] if dataset["corpus"] else [])]
    for name, part in parts:
        lines.append(f"{name}: {part['title']}")
        lines += _filters(part["attrition"])
        lines += [
            f"  {split:>10}  {', '.join(f'{n:,} {what}' for what, n in row.items())}"
            for split, row in part["counts"].items()
        ]
    return "\n".join([*lines, *(f"warning: {warning}" for warning in dataset["source"].get("warnings", []))])


def _filters(attrition: list[dict[str, Any]]) -> list[str]:
    """Where it begins, what each filter that removed something left, and how many removed nothing."""
    first, *rest = attrition
    active = [row for row in rest if row["removed_admissions"] or row["removed_notes"]]
    lines = [f"  {_count(row):>10}  {row['step']}: {row['why']}" for row in (first, *active)]
    return [*lines, f"  {'':>10}  ({len(rest) - len(active)} further filters removed nothing)"]


def _count(row: dict[str, Any]) -> str:
    left = row.get("admissions") if row.get("admissions") is not None else row.get("notes")
    return "–" if left is None else f"{left:,}"
