"""The tables of a report: each score with its interval, each cost with its unit, "not measured" where nothing was.

A variant's number in a table is its number in every figure of the same section.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from chartune.errors import DataError
from chartune.metrics import paired_difference
from chartune.published import downstream
from chartune.quantities import Estimate, human_bytes, human_seconds
from chartune.report.cohort import SMALL
from chartune.runs import Run

NOT_MEASURED: Final = "not measured"


@dataclass(frozen=True)
class Cell:
    """One value, and smaller beneath it what qualifies it."""

    text: str
    detail: str = ""


@dataclass(frozen=True)
class Column:
    """A heading, and what it means."""

    title: str
    meaning: str = ""
    numeric: bool = True


@dataclass(frozen=True)
class Table:
    """Rows of cells under columns; the first column names the row."""

    caption: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    note: str = ""
    """What a reader needs beneath the caption."""


@dataclass(frozen=True)
class Variant:
    """A run with the number that it bears in one section."""

    label: str
    """`1`, `2`, … for outcomes; `P1`, `P2`, … for pretraining."""
    run: Run


def numbered(runs: Sequence[Run], prefix: str = "") -> list[Variant]:
    """Runs with their numbers: models without a backbone, the baselines, come first."""
    ordered = sorted(runs, key=lambda run: bool(run.backbone))
    return [Variant(f"{prefix}{number}", run) for number, run in enumerate(ordered, start=1)]


def baseline(runs: Sequence[Run]) -> Run | None:
    """The TF-IDF run that others are compared with: what a hospital gets without any language model."""
    return next((run for run in runs if run.kind == "tfidf"), None)


def differences(runs: Sequence[Run], split: str = "test") -> dict[str, Estimate]:
    """AUROC minus the baseline's, by run fingerprint, on the same rows and the same draws of patients.

    A run is absent when it or the baseline has no predictions, or they do not stand on the same admissions.
    """
    reference = baseline(runs)
    if reference is None or not reference.has_predictions():
        return {}
    found = {}
    for run in runs:
        difference = _difference(run, reference, split) if run != reference and run.has_predictions() else None
        if difference is not None:
            found[run.fingerprint] = difference
    return found


def score_table(variants: Sequence[Variant], against: Mapping[str, Estimate], caption: str, open_data: bool) -> Table:
    """Test scores of the variants of one task.

    Args:
        variants: the runs, numbered.
        against: paired differences by fingerprint, from `differences`; empty: that column is left out.
        caption: whose scores.
        open_data: the patients are fictional, so that a small number of positives may be told.
    """
    with_oracle = any(v.run.estimate("oracle_auroc") for v in variants)
    columns = [
        Column("Variant", numeric=False),
        Column("AUROC", "95 % interval"),
        *([Column("Δ AUROC", "against TF-IDF, paired")] if against else []),
        *([Column("Oracle AUROC", "for the text it read")] if with_oracle else []),
        Column("AUPRC", "chance: prevalence"),
        Column("Brier", "lower is better"),
        Column("Text read", "share of texts cut"),
    ]
    rows = []
    for v in variants:
        difference = against.get(v.run.fingerprint)
        reference = v.run.kind == "tfidf"
        rows.append((
            named(v),
            score(v.run.estimate("auroc")),
            *([Cell("reference") if reference else score(difference, signed=True)] if against else []),
            *([score(v.run.estimate("oracle_auroc"))] if with_oracle else []),
            score(v.run.estimate("auprc")),
            score(v.run.estimate("brier")),
            _reach(v.run),
        ))  # fmt: skip
    return Table(caption, tuple(columns), tuple(rows), _base_rate(variants, open_data))


def perplexity_table(variants: Sequence[Variant]) -> Table:
    """Test perplexity before and after adaptation, per token of each run's own tokenizer."""
    columns = (
        Column("Adapter", numeric=False),
        Column("Before", "base model as it came"),
        Column("After", "with the adapter"),
        Column("After ÷ before", "below 1 is better"),
        Column("Unigram", "token frequencies only"),
    )
    rows = []
    for v in variants:
        before, after = v.run.estimate("perplexity_before"), v.run.estimate("perplexity")
        ratio = (
            Cell(f"{after.value / before.value:.2f}") if before and after and before.value > 0 else Cell(NOT_MEASURED)
        )
        unigram = v.run.estimate("unigram_perplexity")
        rows.append((named(v), score(before, 2), score(after, 2), ratio, score(unigram, 2)))
    return Table("Perplexity on the test texts", columns, tuple(rows))


def cost_table(variants: Sequence[Variant]) -> Table:
    """What every run has cost, and on which device."""
    columns = (
        Column("Run", numeric=False),
        Column("Time", "whole stage"),
        Column("Peak memory"),
        Column("Trained parameters", "share of all"),
        Column("Tokens trained on"),
        Column("Artefact", "weights kept"),
        Column("Device", numeric=False),
    )
    return Table("What each run has cost", columns, tuple(_cost_row(v) for v in variants))


def published_table(task: str) -> Table:
    """What Gema et al. (2023) printed for a task; no rows when they did not ask it."""
    columns = (Column("Model, in the paper's words", numeric=False), Column("AUROC", "as printed"), Column("Where"))
    rows = [(Cell(row.model), Cell(f"{row.auroc:.4f}"), Cell(row.table)) for row in downstream(task)]
    return Table("Published AUROC", columns, tuple(rows))


def score(estimate: Estimate | None, digits: int = 3, *, signed: bool = False) -> Cell:
    """A value with its interval beneath; None: not measured."""
    if estimate is None:
        return Cell(NOT_MEASURED)
    sign = "+" if signed else ""
    if estimate.low is None or estimate.high is None:
        return Cell(_minus(f"{estimate.value:{sign}.{digits}f}"), "no interval")
    interval = f"{estimate.low:{sign}.{digits}f} to {estimate.high:{sign}.{digits}f}"
    return Cell(_minus(f"{estimate.value:{sign}.{digits}f}"), _minus(interval))


def named(variant: Variant) -> Cell:
    """A variant's number and name, with what it is made of beneath."""
    run = variant.run
    made_of = [part for part in (run.backbone.get("name"), run.stack_title) if part]
    return Cell(f"{variant.label} · {run.name}", " · ".join(made_of))


def count(number: float | None) -> str:
    """`8388608` → `8,388,608`; None → `not measured`."""
    return NOT_MEASURED if number is None else f"{number:,.0f}"


def percent(share: float, digits: int) -> str:
    """`0.1275` → `12.8 %` with so many significant digits; the unit never breaks from its number."""
    return f"{100 * share:.{digits}g}\N{NO-BREAK SPACE}%"


def _cost_row(variant: Variant) -> tuple[Cell, ...]:
    cost = variant.run.cost
    share = (
        cost.trainable_parameters / cost.total_parameters
        if cost.trainable_parameters and cost.total_parameters
        else None
    )
    return (
        named(variant),
        Cell(
            human_seconds(cost.seconds), f"training {human_seconds(cost.train_seconds)}" if cost.train_seconds else ""
        ),
        Cell(human_bytes(cost.peak_bytes)),
        Cell(count(cost.trainable_parameters), percent(share, 3) if share is not None else ""),
        Cell(count(cost.tokens)),
        Cell(human_bytes(cost.artefact_bytes)),
        Cell(NOT_MEASURED if cost.device == "unknown" else cost.device),
    )


def _base_rate(variants: Sequence[Variant], open_data: bool) -> str:
    """The prevalence, unless it would tell how few the positives are."""
    rate = next((e for v in variants if (e := v.run.estimate("prevalence")) is not None), None)
    if rate is None:
        return f"Prevalence {NOT_MEASURED}."
    few = rate.n is not None and 0 < round(rate.value * rate.n) < SMALL and not open_data
    told = f"below {percent(SMALL / rate.n, 2)}" if few and rate.n else percent(rate.value, 3)
    return f"{count(rate.n)} rows, prevalence {told}."


def _reach(run: Run) -> Cell:
    """How much of an admission text a variant has seen: truncation belongs beside every score."""
    length, cut = run.about.get("max_seq_len"), run.about.get("truncated_fraction")
    if length is None and cut is None:
        return Cell("whole text" if run.kind == "tfidf" else NOT_MEASURED)
    seen = "whole text" if length is None else f"first {length:,} tokens"
    return Cell(seen, f"{percent(cut, 3)} of texts cut" if cut is not None else "share cut not measured")


def _difference(run: Run, reference: Run, split: str) -> Estimate | None:
    ours = run.predictions(split).sort("hadm_id")
    theirs = reference.predictions(split).sort("hadm_id")
    if ours.is_empty() or not ours.select("hadm_id", "label").equals(theirs.select("hadm_id", "label")):
        return None  # other admissions: a difference would compare patients, not models
    try:
        return paired_difference(ours["label"], ours["logit"], theirs["logit"], ours["subject_id"])
    except DataError:
        return None  # one class only: the AUROC itself is "not measured" too


def _minus(text: str) -> str:
    return text.replace("-", "−")  # a typographic minus does not break from its digits
