"""What a reader takes home: the few numbers on top, and sentences that claim no more than the intervals allow."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from chartune.quantities import Estimate, human_seconds
from chartune.report.cohort import is_made_up, shown
from chartune.report.tables import Variant, baseline
from chartune.runs import Run


@dataclass(frozen=True)
class Tile:
    """A headline number."""

    value: str
    label: str
    detail: str = ""


def tiles(pretrained: Sequence[Run], scored: Sequence[Run], dataset: Mapping[str, Any]) -> list[Tile]:
    """The headline numbers of what was run; one that was not measured has no tile."""
    found = [
        _auroc_tile(scored),
        _perplexity_tile(pretrained),
        _patients_tile(scored, dataset),
        _time_tile([*pretrained, *scored]),
    ]
    return [tile for tile in found if tile is not None]


def adapted(runs: Sequence[Run]) -> list[str]:
    """One sentence for each adapter that was trained on unlabelled text."""
    sentences = []
    for run in runs:
        before, after = run.estimate("perplexity_before"), run.estimate("perplexity")
        if before and after:
            sentences.append(
                f"Adapting {run.backbone.get('name') or run.name} on unlabelled notes took its test perplexity "
                f"from {before.value:.2f} to {after.value:.2f}."
            )
    return sentences


def compared(variants: Sequence[Variant], against: Mapping[str, Estimate]) -> list[str]:
    """What the AUROCs of one task allow one to say: the range, and which differences the intervals support."""
    measured = [(v, e) for v in variants if (e := v.run.estimate("auroc")) is not None]
    if not measured:
        return ["No AUROC was measured."]
    lowest, highest = min(measured, key=_auroc), max(measured, key=_auroc)
    if len(measured) == 1:
        return [f"{highest[0].run.name} reached an AUROC of {highest[1]} on the test split."]
    sentences = [
        f"Test AUROC runs from {lowest[1].value:.3f} ({lowest[0].run.name}) "
        f"to {highest[1].value:.3f} ({highest[0].run.name})."
    ]
    if against:
        return sentences + _against_baseline(variants, against)
    low = highest[1].low
    level = [v.run.name for v, e in measured if v != highest[0] and (low is None or e.high is None or e.high >= low)]
    if level:
        sentences.append(f"Intervals do not tell the highest apart from {_listed(level)}.")
    return sentences


def _against_baseline(variants: Sequence[Variant], against: Mapping[str, Estimate]) -> list[str]:
    """Which paired differences exclude zero. Absence of a proof is said as such, not as equality."""
    names = {v.run.fingerprint: v.run.name for v in variants}
    reference = baseline([v.run for v in variants])
    above = [names[f] for f, e in against.items() if e.low is not None and e.low > 0]
    below = [names[f] for f, e in against.items() if e.high is not None and e.high < 0]
    open_ = [names[f] for f in against if names[f] not in above + below]
    beside = f"Against {reference.name if reference else 'the baseline'} on the same patients"
    parts = [
        f"the paired interval lies above zero for {_listed(above)}" if above else "",
        f"below zero for {_listed(below)}" if below else "",
        f"this test split cannot tell {_listed(open_)} apart from it" if open_ else "",
    ]
    said = "; ".join(part for part in parts if part)
    if below and not above:
        said = said.replace("below zero", "the paired interval lies below zero", 1)
    return [f"{beside}, {said}."]


def _auroc(pair: tuple[Variant, Estimate]) -> float:
    return pair[1].value


def _auroc_tile(runs: Sequence[Run]) -> Tile | None:
    values = [e.value for run in runs if (e := run.estimate("auroc")) is not None]
    if not values:
        return None
    text = f"{min(values):.3f} – {max(values):.3f}" if len(values) > 1 else f"{values[0]:.3f}"
    return Tile(text, "test AUROC", f"across {len(values)} variants" if len(values) > 1 else "one variant")


def _perplexity_tile(runs: Sequence[Run]) -> Tile | None:
    for run in runs:
        before, after = run.estimate("perplexity_before"), run.estimate("perplexity")
        if before and after:
            return Tile(f"{before.value:.1f} → {after.value:.1f}", "test perplexity", "before and after adaptation")
    return None


def _patients_tile(runs: Sequence[Run], dataset: Mapping[str, Any]) -> Tile | None:
    task = next((run.task for run in runs if run.task), None)
    counts = dataset.get("tasks", {}).get(task, {}).get("counts", {}).get("test", {})
    if not counts.get("admissions"):
        return None
    open_data = is_made_up(dataset.get("source", {}))
    positives = shown(counts.get("positives"), open_data)
    return Tile(shown(counts["admissions"], open_data), "test admissions", f"{positives} with the outcome")


def _time_tile(runs: Sequence[Run]) -> Tile | None:
    seconds = [run.cost.seconds for run in runs if run.cost.seconds is not None]
    devices = {run.cost.device for run in runs if run.cost.device != "unknown"}
    if not seconds:
        return None
    return Tile(
        human_seconds(sum(seconds)), f"for {len(seconds)} runs", f"on {_listed(sorted(devices))}" if devices else ""
    )


def _listed(names: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
