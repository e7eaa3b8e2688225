"""What a reader takes home: the few numbers on top, and sentences that claim no more than the intervals allow."""

from collections.abc import Sequence
from dataclasses import dataclass

from chartune.disclosure import TOO_FEW, is_made_up, shown
from chartune.quantities import human_seconds
from chartune.report.compare import Comparison
from chartune.report.table import listed, minus
from chartune.report.variants import Score, Variant, baseline
from chartune.runs import Run
from chartune.tasks.dataset import Dataset
from chartune.tasks.flow import unit


@dataclass(frozen=True)
class Tile:
    """A headline number."""

    value: str
    label: str
    detail: str = ""


def tiles(runs: Sequence[Run], datasets: Sequence[Dataset]) -> list[Tile]:
    """How many patients, what adaptation brought, what it took; one that was not measured has no tile."""
    candidates = [_patients_tile(datasets), _perplexity_tile(runs), _time_tile(runs)]
    return [tile for tile in candidates if tile is not None]


def score_tile(variants: Sequence[Variant], task: str, score: str, rows: str = "admissions") -> Tile | None:
    """The range of the headline scores of one task; arguments as for `compared`."""
    if any(v.hidden for v in variants):
        return Tile(TOO_FEW, f"{score}, {task}", _few(variants, rows))
    scores = [v.score(v.headline) for v in variants]
    values = sorted((entry for entry in scores if entry is not None), key=lambda entry: entry.estimate.value)
    if not values:
        return None
    text = " – ".join(dict.fromkeys((values[0].value, values[-1].value)))
    across = f"{len(values)} variants" if len(values) > 1 else "one variant"
    return Tile(text, f"{score}, {task}", f"test split, {across}")


def adapted(variants: Sequence[Variant]) -> list[str]:
    """One sentence for each base model that was adapted to unlabelled text, with every adapter of it."""
    made: dict[tuple[str, str, str], list[tuple[Variant, str]]] = {}
    for variant in variants:
        before, after = variant.score(f"{variant.headline}_before"), variant.score(variant.headline)
        if before and after:
            seeds = f"mean of {len(after.seeds)} seeds" if after.several else ""
            base = variant.run.base_name or variant.name
            key = (base, variant.run.headline.worded, f"{before.estimate.value:.2f}")
            made.setdefault(key, []).append((variant, f"{after.estimate.value:.2f}" + (f" ({seeds})" if seeds else "")))
    return [
        f"Adapting {base} on unlabelled notes took its test {what} from {before} to "
        + (each[0][1] if len(each) == 1 else listed([f"{after} by {v.name}" for v, after in each])) + "."
        for (base, what, before), each in made.items()
    ]  # fmt: skip


def compared(
    variants: Sequence[Variant], made: Sequence[Comparison], score: str, rows: str = "admissions"
) -> list[str]:
    """What the scores of one task allow one to say: the range, and which differences the intervals support.

    Args:
        variants: of the task.
        made: paired comparisons among them.
        score: what the headline score is called.
        rows: what a row of the data is.
    """
    if any(v.hidden for v in variants):
        return [f"{score} on the test split: {TOO_FEW}. The reason: {_few(variants, rows)}."]
    measured = [(v, measurement) for v in variants if (measurement := v.score(v.headline)) is not None]
    if not measured:
        return [f"No {score} was measured."]
    lowest, highest = min(measured, key=_value), max(measured, key=_value)
    if len(measured) == 1:
        return [f"{score} on the test split: {highest[1].text()} ({highest[0].name})."]
    reached = f"from {lowest[1].value} ({lowest[0].name}) to {highest[1].value} ({highest[0].name})"
    if lowest[1].value == highest[1].value:
        reached = f"{highest[1].value} of all {len(measured)} variants"
    sentences = [f"{score} on the test split: {reached}."]
    if made:
        return sentences + _paired(made, variants)
    low = highest[1].estimate.low
    others = [(v.name, measurement.estimate.high) for v, measurement in measured if v != highest[0]]
    level = [name for name, high in others if low is None or high is None or high >= low]
    if level:
        sentences.append(f"Intervals do not tell the highest apart from {listed(level)}.")
    return sentences


def _paired(made: Sequence[Comparison], variants: Sequence[Variant]) -> list[str]:
    """One sentence for each reference. Absence of a proof is said as such, never as equality."""
    references = list(dict.fromkeys(comparison.theirs.label for comparison in made))
    first = baseline(variants)
    references.sort(key=lambda label: first is None or label != first.label)
    return [_against([comparison for comparison in made if comparison.theirs.label == label]) for label in references]


def _against(made: Sequence[Comparison]) -> str:
    """`LoRA beats head only: difference +0.05 [0.01, 0.09]`, and whom the split cannot tell apart."""
    reference = made[0].theirs.name
    parts = []
    for verdict, one_does, they_do in (("above", "beats", "beat"), ("below", "falls short of", "fall short of")):
        matching = [comparison for comparison in made if comparison.verdict == verdict]
        if len(matching) == 1:
            parts.append(f"{matching[0].ours.name} {one_does} {reference}: difference {_signed(matching[0])}")
        elif matching:
            names = listed([f"{comparison.ours.name} ({_signed(comparison)})" for comparison in matching])
            parts.append(f"{names} {they_do} {reference}")
    undecided = [
        f"{comparison.ours.name} ({_signed(comparison)})" for comparison in made if comparison.verdict == "open"
    ]
    if undecided:
        parts.append(f"this test split cannot tell {listed(undecided)} apart from {reference}")
    sentence = "; ".join(parts)
    return f"{sentence[0].upper()}{sentence[1:]}."


def _signed(comparison: Comparison) -> str:
    difference = comparison.shown
    return minus(f"{'+' if difference.value >= 0 else ''}{difference.with_interval(comparison.digits)}")


def _few(variants: Sequence[Variant], rows: str) -> str:
    form = variants[0].run.form
    return form.too_few(rows) if form else ""


def _value(pair: tuple[Variant, Score]) -> float:
    return pair[1].estimate.value


def _perplexity_tile(runs: Sequence[Run]) -> Tile | None:
    for run in runs:
        what = run.headline
        before, after = run.estimate(f"{what.metric}_before"), run.estimate(what.metric)
        if run.form is None and before and after:
            return Tile(f"{before.value:.1f} → {after.value:.1f}", f"test {what.worded}", "before and after adaptation")
    return None


def _patients_tile(datasets: Sequence[Dataset]) -> Tile | None:
    """The test split of the task that asks most patients."""
    largest: tuple[int, Tile] | None = None
    for dataset in datasets:
        open_data = is_made_up(dataset.source)
        for task in dataset.tasks.values():
            counts = task.counts.get("test", {})
            admissions = counts.get("admissions")
            if admissions and (largest is None or admissions > largest[0]):
                patients = f"of {shown(counts['subjects'], open_data)} patients" if counts.get("subjects") else ""
                largest = (
                    admissions,
                    Tile(shown(admissions, open_data), f"test {unit(dataset.source)}", patients),
                )
    return largest[1] if largest else None


def _time_tile(runs: Sequence[Run]) -> Tile | None:
    seconds = [run.cost.seconds for run in runs if run.cost.seconds is not None]
    devices = {run.cost.device for run in runs if run.cost.device != "unknown"}
    if not seconds:
        return None
    on = f"on {listed(sorted(devices))}" if devices else ""
    return Tile(human_seconds(sum(seconds)), f"for {len(seconds)} {'run' if len(seconds) == 1 else 'runs'}", on)
