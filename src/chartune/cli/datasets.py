"""`chartune datasets`: the prepared data in the store, or the card of one of them."""

from datetime import UTC, datetime
from typing import Annotated, Any, Final

import typer

from chartune.cli.options import DEFAULT_STORE, JsonOption, StoreOption, emit
from chartune.errors import ConfigError
from chartune.quantities import human_bytes
from chartune.store import Artefact, Store
from chartune.tasks.flow import Cohort, cohorts, is_made_up, notices, shown, warnings
from chartune.tasks.positive import question_told, unchosen

CARD: Final = ("who", "when", "seen", "question", "asked", "scored", "kind", "citation")
"""What a task says of itself, in the order shown."""

_CHOICES: Final = 8
"""Datasets that a message lists."""

UNITS: Final = ("admissions", "examples", "pairs", "documents", "subjects")
"""What a row of a task or corpus may be; the first that is counted."""


def command(
    name: Annotated[
        str | None, typer.Argument(help="Prepared data by fingerprint or its beginning. Default: list them all.")
    ] = None,
    store: StoreOption = DEFAULT_STORE,
    as_json: JsonOption = False,
) -> None:
    """List the prepared datasets: tasks, splits, preset, counts, size; or show the card of one, with every filter.

    Small counts of real patients are shown as "<10" to people. JSON holds each dataset's own file, which is exact.
    """
    opened = Store(store)
    if name is None:
        rows = [_row(artefact) for artefact in opened.artefacts("data")]
        emit({"datasets": rows}, as_json, "\n\n".join(map(_listed, rows)) or f"no prepared data in {opened.root}")
        return
    row = _row(find_data(opened, name))
    emit(row, as_json, _card(row))


def find_data(store: Store, name: str) -> Artefact:
    """The prepared data that a fingerprint, its beginning or nothing at all (the only ones) stands for.

    Raises:
        ConfigError: there are none, or several; the message lists those that there are.
    """
    every = store.artefacts("data")
    found = [artefact for artefact in every if artefact.fingerprint.startswith(name)]
    if len(found) == 1:
        return found[0]
    if not every:
        raise ConfigError(
            f"prepared data must be there, but {store.root} has none; `chartune prepare FOLDER` makes some, --store "
            f"leads to another store."
        )
    law = f"prepared data must be named, because {store.root} holds {len(every)}"
    if name:
        law = f"prepared data must be named by a fingerprint or its beginning, but {name!r} fits {len(found) or 'none'}"
    raise ConfigError(f"{law}; give one of {_choices(found or every)}.")


def _choices(artefacts: list[Artefact]) -> str:
    """Fingerprints with what they hold, the newest first."""
    rows = [_row(artefact) for artefact in artefacts[::-1][:_CHOICES]]
    told = [f"{row['data']} ({row['source']['title']}: {', '.join(row['tasks'])}; {row['made'][:10]})" for row in rows]
    more = f", or one of {len(artefacts) - _CHOICES} older (`chartune datasets`)" if len(artefacts) > _CHOICES else ""
    return ", ".join(told) + more


def _row(artefact: Artefact) -> dict[str, Any]:
    """A dataset whole: `dataset.json`, its size on disk in bytes, and when it was made (UTC)."""
    from chartune.tasks.prepare import read_dataset

    made = datetime.fromtimestamp((artefact.path / "manifest.json").stat().st_mtime, UTC)
    about = {"data": artefact.fingerprint, "folder": str(artefact.path), "bytes": artefact.size()}
    return about | {"made": made.isoformat(timespec="seconds"), **read_dataset(artefact)}


def _listed(row: dict[str, Any]) -> str:
    """A dataset in some lines."""
    parts = [*row["tasks"].items(), *([("corpus", row["corpus"])] if row.get("corpus") else [])]
    tasks = [f"  {name:<24} {_counted(part['counts'], is_made_up(row['source']))}" for name, part in parts]
    return "\n".join([*_head(row), *tasks])


def _head(row: dict[str, Any]) -> list[str]:
    source, preset = row["source"], row["config"].get("preset")
    made = f"{row['made'][:10]}, {human_bytes(row['bytes'])}"
    version = "" if source["version"].lower() in source["title"].lower() else f", {source['version']}"
    return [
        f"{row['data']}  {source['title']}  ({made})",
        f"  layout: {source['kind']}{version}{f' · preset: {preset}' if preset else ''}",
        f"  splits: {_rule(row['splits']['rule'])}",
    ]


def _rule(rule: dict[str, Any]) -> str:
    """How patients are split, without the hashes of lists."""
    plain = {key: value for key, value in rule.items() if key != "kind" and isinstance(value, (str, int, float))}
    told = ", ".join(f"{key} {value}" for key, value in plain.items() if len(str(value)) < 40)
    return f"{rule.get('kind', 'not told')}{f' ({told})' if told else ''}"


def _counted(counts: dict[str, dict[str, int]], open_data: bool) -> str:
    """Such as `train 1,150 · test 400`, in what a row is; empty splits are left out."""
    rows = {split: next((row[unit] for unit in UNITS if unit in row), 0) for split, row in counts.items()}
    return " · ".join(f"{split} {shown(count, open_data)}" for split, count in rows.items() if count) or "nobody"


def _card(row: dict[str, Any]) -> str:
    """The dataset card: licence, warnings, and of each task its card, its filters and its splits."""
    source = row["source"]
    lines = [*_head(row), f"  licence: {source['licence']}", f"  folder: {row['folder']}"]
    lines += [f"  warning: {warning}" for warning in warnings(source)]
    lines += [f"  warning: {warning}" for warning in unchosen(row["tasks"])]
    lines += [f"  note: {notice}" for notice in notices(source)]
    cards = [*row["tasks"].values(), *([row["corpus"]] if row.get("corpus") else [])]
    for name, card, cohort in zip([*row["tasks"], "corpus"], cards, cohorts(row), strict=False):
        facts = {**card, "asked": "", **question_told(card)}
        told = [f"  {key}: {facts[key]}" for key in CARD if facts.get(key)]
        lines += ["", f"{name}: {cohort.title}", *told, *filters_told(cohort), *splits_told(cohort)]
    return "\n".join(lines)


def filters_told(cohort: Cohort) -> list[str]:
    """Each filter that left somebody out, with what it left, then the names of the others."""
    steps = [f"  {', '.join(step.left):>44}  {step.name}: {step.why}" for step in cohort.steps]
    silent = ", ".join(step.name for step in cohort.silent)
    return [*steps, *([f"  {'':>44}  removed nothing: {silent}"] if silent else [])]


def splits_told(cohort: Cohort) -> list[str]:
    """Each split with its counts."""
    columns = cohort.splits.columns
    return [
        f"  {split:>12}: {', '.join(f'{n} {what}' for what, n in zip(columns, counts, strict=True))}"
        for split, *counts in cohort.splits.rows
    ]
