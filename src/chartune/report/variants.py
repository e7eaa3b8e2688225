"""A variant: what is compared. One training, or the same training with several seeds, under one number on the page.

    runs ─grouped by all their settings but the seed─▶ variants ─numbered─▶ 1, 2, … (adaptation: P1, …)

Over several seeds a score is the mean of the seeds. Its interval is the mean of the seeds' intervals: how far one such
training would move with other patients. How far trainings differ is shown beside it, by the lowest and highest seed.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import fmean
from typing import Any, Final

from chartune.disclosure import TOO_FEW, Behind
from chartune.quantities import Estimate
from chartune.report.table import NOT_MEASURED, Cell, estimated, span
from chartune.runs import START, Run
from chartune.runs.run import SCORING

COLOURS: Final = 8
"""Series of the palette; a ninth variant takes the first colour again, with another dash."""


class Coloured:
    """What is drawn in the colour of its place."""

    place: int

    @property
    def series(self) -> int:
        """Number of its colour, from 1."""
        return self.place % COLOURS + 1

    @property
    def dashed(self) -> bool:
        """Whether its colour was given before."""
        return self.place >= COLOURS


@dataclass(frozen=True)
class Score:
    """A score of a variant."""

    estimate: Estimate
    """Mean over the seeds; ends: mean of the seeds' ends, None where one seed has none."""
    seeds: tuple[float, ...]
    """The value of each seed."""
    digits: int = 3
    """After the point, at most."""

    @property
    def several(self) -> bool:
        """Whether more than one seed was scored."""
        return len(self.seeds) > 1

    def text(self) -> str:
        """The value and its interval, and the seeds where there are several."""
        seeds = f" (mean of {len(self.seeds)} seeds)" if self.several else ""
        return f"{self.estimate.with_interval(self.digits)}{seeds}"

    @property
    def value(self) -> str:
        """The value alone."""
        return f"{self.estimate.value:.{self.digits}f}"


@dataclass(frozen=True)
class Variant(Coloured):
    """Runs that differ in their seed only, with the number that they bear on the page."""

    label: str
    """`1`, `2`, … for outcomes; `P1`, `P2`, … for pretraining."""
    runs: tuple[Run, ...]
    """By seed."""
    place: int = 0
    """Its place in its section, from 0: decides its colour and dash."""
    behind: Behind | None = None
    """Who stands behind its test scores, where they are real patients; None: fictional ones, all may be shown."""
    watched: Behind | None = None
    """Likewise, behind what was measured on the validation split."""

    @property
    def hidden(self) -> bool:
        """Whether so few real patients stand behind its scores that none may be shown."""
        return self.behind is not None and self.behind.few

    @property
    def final(self) -> bool:
        """Whether the test split was scored for all of its runs."""
        return all(run.final for run in self.runs)

    @property
    def headline(self) -> str:
        """The metric that ranks it."""
        return self.runs[0].headline.metric

    @property
    def masked(self) -> bool:
        """Whether it guessed masked tokens: an encoder that was pretrained further."""
        return bool(self.runs[0].about.masking)

    @cached_property
    def run(self) -> Run:
        """The run that stands for all where only one can be drawn: of the headline nearest to the mean."""
        scored = [(run, e.value) for run in self.runs if (e := run.estimate(self.headline)) is not None]
        middle = fmean(value for _, value in scored) if scored else 0.0
        return min(scored, key=lambda pair: abs(pair[1] - middle))[0] if scored else self.runs[0]

    @property
    def name(self) -> str:
        """What a person calls it."""
        return self.run.name

    @property
    def seeds(self) -> str:
        """Such as `seeds 0, 1, 2`; empty for a single run."""
        known = list(dict.fromkeys(str(run.about.seed) for run in self.runs))
        # Runs of one seed differ in the seeds of their parents.
        noun = f"{len(self.runs)} runs, seed" if len(known) < len(self.runs) else "seed"
        return f"{noun}{'s' if len(known) > 1 else ''} {', '.join(known)}" if len(self.runs) > 1 else ""

    @property
    def kept(self) -> str:
        """Says that the initial weights were kept, and with how many of several seeds; else empty."""
        starts = sum(run.kept_start for run in self.runs)
        share = f", with {starts} of {len(self.runs)} seeds" if starts < len(self.runs) else ""
        return f"kept: {START}{share}" if starts else ""

    def score(self, metric: str, split: str = SCORING) -> Score | None:
        """A score over its seeds; None: not measured, or hidden."""
        if self.hidden:
            return None
        return self.together(metric, [e for run in self.runs if (e := run.estimate(metric, split)) is not None])

    def together(self, metric: str, estimates: Sequence[Estimate]) -> Score | None:
        """A score from those of its seeds; None: there are none, or they are hidden."""
        if self.hidden or not estimates or self.hides_any(metric, estimates):
            return None
        places = 3 if self.behind is None else self.behind.precision(metric)
        if self.behind is not None:
            estimates = [self.behind.release(metric, e) for e in estimates]
        lows, highs = [e.low for e in estimates if e.low is not None], [e.high for e in estimates if e.high is not None]
        whole = len(lows) == len(highs) == len(estimates)
        low, high = (fmean(lows), fmean(highs)) if whole else (None, None)
        value = fmean(e.value for e in estimates)
        mean = Estimate(value, low, high, estimates[0].n, estimates[0].level)
        if self.behind is not None:
            mean = mean.rounded(places)
        return Score(mean, tuple(e.value for e in estimates), places)

    def hides(self, metric: str, split: str = SCORING) -> bool:
        """Whether a score that was measured is not shown."""
        return self.hides_any(metric, [e for run in self.runs if (e := run.estimate(metric, split)) is not None])

    def hides_any(self, metric: str, estimates: Sequence[Estimate]) -> bool:
        """Whether one of the scores of its seeds is not shown."""
        return self.behind is not None and any(self.behind.hides(metric, e) for e in estimates)


def numbered(
    runs: Sequence[Run], prefix: str = "", start: int = 0, every: Mapping[str, Run] | None = None
) -> list[Variant]:
    """Runs as numbered variants, baselines without a base model first; seeds of one variant together.

    Args:
        runs: of one task on one data set, or of the adaptation.
        prefix: of every number.
        start: the number before the first.
        every: all runs at hand by fingerprint, where parents are looked up; None: `runs` alone.
    """
    known = every if every is not None else {run.fingerprint: run for run in runs}
    ordered = sorted(runs, key=lambda run: bool(run.backbone))
    alike: dict[str, list[Run]] = {}
    for run in ordered:
        alike.setdefault(_key([run.name, _settings(run, known)]), []).append(run)
    groups: dict[str, list[Run]] = {}
    for run in ordered:
        key = _key([run.name, _settings(run, known)])
        if len({_seed_and_weights(other) for other in alike[key]}) < len(alike[key]):
            key = run.fingerprint  # twice the same seed: they differ in something that nobody has written down
        groups.setdefault(key, []).append(run)
    return [
        Variant(f"{prefix}{start + n}", tuple(sorted(group, key=_seed)), n - 1)
        for n, group in enumerate(groups.values(), start=1)
    ]


def baseline(variants: Sequence[Variant]) -> Variant | None:
    """The TF-IDF variant: what a hospital gets without any language model."""
    return next((variant for variant in variants if variant.run.kind == "tfidf"), None)


def is_head_only(variant: Variant) -> bool:
    """Whether the base model was left as it came, and only a head was trained on it."""
    return variant.run.kind == "finetune" and bool(variant.run.backbone) and not variant.run.stack


def called(variant: Variant, detail: str = "") -> Cell:
    """A variant's number and name, which lead to its run, and something beneath."""
    return Cell(f"{variant.label} · {variant.name}", detail, link=f"run-{variant.run.fingerprint}")


def named(variant: Variant) -> Cell:
    """A variant's number and name, which lead to its run, with what it is made of beneath."""
    run = variant.run
    made_of = [part for part in (run.base_name, run.stack_title, variant.seeds, variant.kept) if part]
    return called(variant, " · ".join(made_of))


def scored(variant: Variant, metric: str, digits: int = 3) -> Cell:
    """A score of a variant as `score` writes it, unless too few patients stand behind it."""
    return too_few() if variant.hidden or variant.hides(metric) else score(variant.score(metric), digits)


def too_few() -> Cell:
    """Stands in place of what too few patients stand behind."""
    return Cell(TOO_FEW)


def score(measured: Score | None, digits: int = 3) -> Cell:
    """A score with its interval beneath, and the range of its seeds; None: not measured."""
    if measured is None:
        return Cell(NOT_MEASURED)
    estimate, digits = measured.estimate, min(digits, measured.digits)
    cell = estimated(estimate.value, estimate.low, estimate.high, digits)
    if not measured.several or len(set(measured.seeds)) == 1:
        return cell
    return Cell(cell.text, f"{cell.detail}\nseeds {span(min(measured.seeds), max(measured.seeds), digits)}")


def extremes(variants: Sequence[Variant], metric: str, title: str) -> str:
    """The lowest and the highest of a test score in a sentence; empty: not measured, or hidden.

    Args:
        variants: of one task.
        metric: the score.
        title: what it is called.
    """
    known = [(v.name, measured) for v in variants if (measured := v.score(metric)) is not None]
    if not known:
        return ""
    known.sort(key=lambda pair: pair[1].estimate.value)
    (low, lowest), (high, highest) = known[0], known[-1]
    if len(known) == 1:
        return f"{title} {highest.value} ({high})."
    return f"{title} from {lowest.value} ({low}) to {highest.value} ({high})."


def seeds_explained(variants: Sequence[Variant]) -> str:
    """How several seeds are reported; empty where every variant was trained once."""
    if all(len(variant.runs) == 1 for variant in variants):
        return ""
    return (
        "Of a variant with several seeds: the mean over the seeds, the mean of their intervals, "
        "and the lowest to the highest seed."
    )


def _settings(run: Run, known: Mapping[str, Run]) -> list[Any]:
    """All settings of a run and of the runs below it but their seeds; a foreign adapter counts by its weights."""
    layers = []
    for layer in run.stack:
        parent = known.get(layer.run or "")
        origin = _settings(parent, known) if parent and parent != run else [layer.run, layer.sha256]
        layers.append([layer.state, layer.method, origin])
    recorded = (
        "seed",
        "stack",
        "name",
        "backbone",
        "data",
        "scores_test",
    )  # run.json holds what they stood for: no paths, no names
    chosen = {name: value for name, value in run.stage.items() if name not in recorded}
    base = run.backbone and (run.backbone.content_hash or run.backbone.name)
    return [run.kind, run.task, run.data, base, layers, run.about.max_seq_len, run.final, chosen]


def _key(settings: list[Any]) -> str:
    return json.dumps(settings, sort_keys=True, default=str)


def _seed_and_weights(run: Run) -> tuple[Any, ...]:
    """What may differ among the runs of one variant: the seed, and the weights that it began with."""
    return run.about.seed, *((layer.run, layer.sha256) for layer in run.stack)


def _seed(run: Run) -> tuple[int, str]:
    return int(run.about.seed or 0), run.fingerprint
