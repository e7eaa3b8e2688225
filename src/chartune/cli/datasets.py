"""`chartune datasets`: the prepared data in the store, or the card of one of them."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, Final

import typer

from chartune.cli.figures import ExactOption, emit_figures
from chartune.cli.options import DEFAULT_STORE, JsonOption, StoreOption, emit
from chartune.disclosure import RELEASE, figures, is_made_up, released, shown
from chartune.errors import ConfigError, StoreError
from chartune.quantities import human_bytes
from chartune.store import MANIFEST, Artefact, Store
from chartune.tasks.dataset import Dataset, TaskEntry, read_dataset
from chartune.tasks.dataset_card import described
from chartune.tasks.flow import Cohort, cohorts, notices, warnings
from chartune.tasks.positive import unchosen

CARD: Final = ("who", "when", "seen", "question", "asked", "scored", "kind", "citation")
"""What a task says of itself, in the order shown."""

_CHOICES: Final = 8
"""Datasets that a message lists."""

UNITS: Final = ("admissions", "examples", "pairs", "documents", "subjects")
"""What a row of a task or corpus may be; the first that is counted."""


def command(
    name: Annotated[
        str | None, typer.Argument(help="Prepared data by fingerprint or its prefix. Default: list them all.")
    ] = None,
    store: StoreOption = DEFAULT_STORE,
    exact_counts: ExactOption = False,
    as_json: JsonOption = False,
) -> None:
    """List the prepared datasets: tasks, splits, preset, counts, size; or show the card of one, with every filter.

    Counts of real patients are shown by their class of ten ("<10", "30+"); --exact-counts shows them as they are.
    """
    opened = Store(store)
    if name is None:
        rows = [_listing(artefact) for artefact in opened.artefacts("data")]
        every = [row.to_json(exact_counts) for row in rows]
        exact = any(row.get("do_not_release") for row in every)
        lines = [*([RELEASE] if exact else []), *(_listed(row, exact_counts) for row in rows)]
        emit(
            {"datasets": every, "do_not_release": exact}, as_json,
            "\n\n".join(lines) or f"no prepared data in {opened.root}",
        )  # fmt: skip
        return
    row = _row(find_data(opened, name))
    if row.dataset is None:
        raise AssertionError("what is damaged was refused")
    card = _card(row, row.dataset, exact_counts)
    emit_figures(row.to_json(exact_counts), as_json, card, row.dataset.source, exact_counts)


def find_data(store: Store, name: str) -> Artefact:
    """The prepared data that a fingerprint, its beginning or nothing at all (the only ones) stands for.

    Raises:
        ConfigError: there are none, or several; the message lists those that there are.
    """
    every = store.artefacts("data")
    matches = [artefact for artefact in every if artefact.fingerprint.startswith(name)]
    if len(matches) == 1:
        return matches[0]
    if not every:
        raise ConfigError(
            f"prepared data must be there, but {store.root} has none; `chartune prepare FOLDER` makes some, --store "
            f"leads to another store."
        )
    requirement = f"prepared data must be named, because {store.root} holds {len(every)}"
    if name:
        requirement = (
            f"prepared data must be named by a fingerprint or its beginning, but {name!r} fits {len(matches) or 'none'}"
        )
    raise ConfigError(f"{requirement}; give one of {_choices(matches or every)}.")


def _choices(artefacts: list[Artefact]) -> str:
    """Fingerprints with what they hold, the newest first."""
    rows = [_listing(artefact) for artefact in artefacts[::-1][:_CHOICES]]
    choices = [
        f"{row.artefact.fingerprint} "
        + (f"({row.dataset.source.title}: {', '.join(row.dataset.tasks)}; {row.made[:10]})" if row.dataset
           else "(damaged)")
        for row in rows
    ]  # fmt: skip
    more = f", or one of {len(artefacts) - _CHOICES} older (`chartune datasets`)" if len(artefacts) > _CHOICES else ""
    return ", ".join(choices) + more


@dataclass(frozen=True)
class _Listing:
    """A dataset of the store, with its size on disk and when it was made; or why that is not known."""

    artefact: Artefact
    made: str
    """UTC."""
    bytes: int = 0
    dataset: Dataset | None = None
    damage: str = ""

    def to_json(self, exact: bool) -> dict[str, Any]:
        about: dict[str, Any] = {"data": self.artefact.fingerprint, "folder": str(self.artefact.path)}
        if self.dataset is None:
            return {**about, "made": self.made, "damaged": self.damage}
        source = self.dataset.source
        plain = released(self.dataset.to_json(), exact or is_made_up(source))
        return {**figures(source, exact), **about, "bytes": self.bytes, "made": self.made, **plain}


def _row(artefact: Artefact) -> _Listing:
    """Raises StoreError: it is damaged."""
    made = datetime.fromtimestamp((artefact.path / MANIFEST).stat().st_mtime, UTC).isoformat(timespec="seconds")
    return _Listing(artefact, made, artefact.size(), read_dataset(artefact))


def _listing(artefact: Artefact) -> _Listing:
    """As `_row`, but a damaged one is listed as such: one must not hide the others."""
    try:
        return _row(artefact)
    except StoreError as error:
        made = datetime.fromtimestamp(artefact.path.stat().st_mtime, UTC).isoformat(timespec="seconds")
        return _Listing(artefact, made, damage=str(error))


def _listed(row: _Listing, exact: bool) -> str:
    """A dataset in some lines."""
    if row.dataset is None:
        return f"{row.artefact.fingerprint}  damaged: {row.damage}"
    open_data = exact or is_made_up(row.dataset.source)
    tasks = [f"  {name:<24} {_counted(part.counts, open_data)}" for name, part in row.dataset.parts().items()]
    return "\n".join([*_head(row, row.dataset), *tasks])


def _head(row: _Listing, dataset: Dataset) -> list[str]:
    source, preset = dataset.source, dataset.config.get("preset")
    version = "" if source.version.lower() in source.title.lower() else f", {source.version}"
    return [
        f"{row.artefact.fingerprint}  {source.title}  ({row.made[:10]}, {human_bytes(row.bytes)})",
        f"  layout: {source.kind}{version}{f' · preset: {preset}' if preset else ''}",
        f"  splits: {_rule(dataset.splits.rule)}",
    ]


def _rule(rule: dict[str, Any]) -> str:
    """How patients are split, without the hashes of lists."""
    plain = {key: value for key, value in rule.items() if key != "kind" and isinstance(value, (str, int, float))}
    settings = ", ".join(f"{key} {value}" for key, value in plain.items() if len(str(value)) < 40)
    return f"{rule.get('kind', 'not recorded')}{f' ({settings})' if settings else ''}"


def _counted(counts: dict[str, dict[str, int]], open_data: bool) -> str:
    """Such as `train 1,150 · test 400`, in what a row is; empty splits are left out."""
    rows = {split: next((row[unit] for unit in UNITS if unit in row), 0) for split, row in counts.items()}
    return " · ".join(f"{split} {shown(count, open_data)}" for split, count in rows.items() if count) or "none"


def _card(row: _Listing, dataset: Dataset, exact: bool) -> str:
    """The dataset card: licence, warnings, and of each task its card, its filters and its splits."""
    source = dataset.source
    lines = [*_head(row, dataset), f"  licence: {source.licence}", f"  folder: {row.artefact.path}"]
    lines += [f"  warning: {warning}" for warning in warnings(source, exact)]
    lines += [f"  warning: {warning}" for warning in unchosen(dataset.tasks)]
    lines += [f"  note: {notice}" for notice in notices(source, exact)]
    for (name, part), cohort in zip(dataset.parts().items(), cohorts(dataset, exact), strict=True):
        facts = described(part, CARD) if isinstance(part, TaskEntry) else {}
        entries = [f"  {term}: {words}" for term, words in facts.items()]
        lines += ["", f"{name}: {cohort.title}", *entries, *filter_lines(cohort), *split_lines(cohort)]
    return "\n".join(lines)


def filter_lines(cohort: Cohort) -> list[str]:
    """Each filter that left somebody out, with what it left, then the names of the others."""
    steps = [f"  {', '.join(step.left):>44}  {step.name}: {step.why}" for step in cohort.steps]
    silent = ", ".join(step.name for step in cohort.silent)
    return [*steps, *([f"  {'':>44}  removed nothing{cohort.or_few}: {silent}"] if silent else [])]


def split_lines(cohort: Cohort) -> list[str]:
    """Each split with its counts."""
    columns = cohort.splits.columns
    return [
        f"  {split:>12}: {', '.join(f'{n} {what}' for what, n in zip(columns, counts, strict=True))}"
        for split, *counts in cohort.splits.rows
    ]
