"""Two runs side by side: every score of both, and where they answer the same rows the paired difference of each.

A ─┬─ scores of A │ of B │ A - B with its interval, and of the primary metric p
B ─┘                       only where both have the same rows and labels; else why not, and how many patients they share
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import nan
from typing import Any

from chartune.answers import Answer, Score
from chartune.disclosure import TOO_FEW, fewest, shown
from chartune.errors import ConfigError, RunError
from chartune.metrics import Resamples, paired_difference
from chartune.quantities import Estimate
from chartune.report.compare import Comparison, comparisons, p_text
from chartune.report.hidden import behind_run
from chartune.report.predicted import Predicted, exchanged, of_variant, predicted
from chartune.report.released import is_exact
from chartune.report.table import NOT_MEASURED, Cell, Column, Table, count, estimated
from chartune.report.variants import Variant, scored, too_few
from chartune.runs import Run
from chartune.runs.run import SCORING


@dataclass(frozen=True)
class Beside:
    """Two runs of one form of answer."""

    ours: Variant
    theirs: Variant
    form: Answer
    known: Mapping[str, Predicted | None]
    """Fingerprint → what a run says of its test rows."""
    made: Comparison | None
    """Of the primary metric; None: they are not paired."""
    unpaired: str
    """Why they are not paired; empty: they are."""
    patients: str
    """How many test patients both have, as may be shown."""
    p_exchanged: float = nan
    """Of no difference in the primary metric, by exchanging what both say of a patient; NaN: not paired, or hidden."""

    @property
    def scores(self) -> tuple[Score, ...]:
        """All that there are of this form."""
        return (*self.form.measures, *self.form.further)

    def cell(self, variant: Variant, score: Score) -> Cell:
        """A score of one side."""
        if score in self.form.further:
            return of_variant(variant, score.metric, self.known)
        if score.counts == "labels":
            measured = variant.run.estimate(score.metric)
            return Cell(count(measured.value if measured else None))
        return scored(variant, score.metric)

    def difference(self, metric: str) -> Estimate | None:
        """How much higher it is in `ours`, as it is shown; None: not paired, without draws, or hidden."""
        sides = [self.known.get(v.run.fingerprint) for v in (self.ours, self.theirs)]
        drawn = [side.drawn.get(metric) for side in sides if side is not None]
        draws = [each for each in drawn if isinstance(each, Resamples)]
        if self.unpaired or len(draws) < 2 or self._hidden(metric):
            return None
        exact = paired_difference(draws[:1], draws[1:]).estimate()
        stands = self.ours.behind
        return exact if stands is None else replace(exact.rounded(stands.precision(metric)), n=None)

    def _hidden(self, metric: str) -> bool:
        return any(v.hidden or v.hides(metric) or self._further_hidden(v, metric) for v in (self.ours, self.theirs))

    def _further_hidden(self, variant: Variant, metric: str) -> bool:
        said = self.known.get(variant.run.fingerprint)
        estimate = said.estimate(metric) if said else None
        return estimate is not None and variant.hides_any(metric, [estimate])


def beside(ours: Run, theirs: Run, *, exact: bool) -> Beside:
    """Two finished runs side by side.

    Args:
        ours: of a task.
        theirs: of a task with answers of the same form.
        exact: whether exact counts and scores of real patients are shown.

    Raises:
        ConfigError: it is one run, or their answers have other forms.
        RunError: one of them scores no rows, or its predictions hold two rows of one id.
    """
    form = _form_of_both(ours, theirs)
    open_data = all(is_exact(run, exact) for run in (ours, theirs))
    stands = None if open_data else fewest([behind_run(run) for run in (ours, theirs)])
    first, second = (Variant(label, (run,), n, stands) for n, (label, run) in enumerate((("A", ours), ("B", theirs))))
    known: dict[str, Predicted | None] = {}
    for variant in (first, second) if not first.hidden else ():
        wanted = (*form.measures, *form.further)
        known[variant.run.fingerprint] = predicted(variant.run, form, ours.about.labels or (), wanted)
    made = next(iter(comparisons([first, second], form, known=known, pairs=[(first, second)])), None)
    patients = shown(len(_patients(ours) & _patients(theirs)), open_data)
    p = exchanged(ours, theirs, form, ours.about.labels or ()) if made else nan
    return Beside(first, second, form, known, made, _why_unpaired(ours, theirs, made, first.hidden), patients, p)


def beside_table(two: Beside) -> Table:
    """The scores of both and their differences."""
    paired = not two.unpaired
    columns = [Column("Score", numeric=False), Column("A", two.ours.name), Column("B", two.theirs.name)]
    columns += [Column("A − B", "paired")] if paired else []
    rows = []
    for score in two.scores:
        sides = [two.cell(variant, score) for variant in (two.ours, two.theirs)]
        if all(cell.text == NOT_MEASURED for cell in sides):
            continue
        rows.append((Cell(score.title, score.meaning), *sides, *([_difference(two, score)] if paired else [])))
    return Table(f"A: {two.ours.name}; B: {two.theirs.name}", tuple(columns), tuple(rows), note(two), cards=False)


def note(two: Beside) -> str:
    """On how many patients both stand, and p of the primary metric; or why nothing is paired."""
    if two.unpaired:
        return f"Not paired: {two.unpaired}. Test patients that both have: {two.patients}."
    p, permuted = _p(two, two.made.p if two.made else nan), _p(two, two.p_exchanged)
    test = "DeLong's test with patients as clusters" if two.form.one_outcome else "the same draws"
    return (
        f"Paired on the same rows of {two.patients} patients; 95 % intervals, not corrected for "
        f"the number of scores. {two.form.headline.title}: p of no difference {p}, by {test}; {permuted}, by "
        f"exchanging what both say of a patient (permutation test)."
    )


def _p(two: Beside, p: float) -> str:
    return NOT_MEASURED if two.made is None else p_text(p, two.made.digits)


def beside_json(two: Beside) -> dict[str, Any]:
    """As plain JSON: what may be shown of both."""
    return {
        "a": named_run(two.ours.run), "b": named_run(two.theirs.run), "paired": not two.unpaired,
        "why_not": two.unpaired, "patients_shared": two.patients, "metric": two.form.headline.metric,
        "p": _p(two, two.made.p if two.made else nan), "p_permutation": _p(two, two.p_exchanged),
        "scores": [_row(two, score) for score in two.scores],
    }  # fmt: skip


def _form_of_both(ours: Run, theirs: Run) -> Answer:
    for run in (ours, theirs):
        if run.form is None or not run.has_predictions():
            raise RunError(f"a comparison needs runs that score rows, but {run.fingerprint} ({run.kind}) scores none.")
        twice = int(run.predictions(SCORING)["hadm_id"].is_duplicated().sum())
        if twice:
            raise RunError(
                f"every row of a split must have an id of its own, but {twice} test rows of {run.fingerprint} share "
                f"theirs; run its stage again."
            )
    if ours.fingerprint == theirs.fingerprint:
        raise ConfigError(f"a comparison needs two runs, but both are {ours.fingerprint} ({ours.name}).")
    if ours.form is None or theirs.form is None or ours.form.kind != theirs.form.kind:
        raise ConfigError(
            f"a comparison needs answers of one form, but {ours.name} is {ours.answer} and {theirs.name} is "
            f"{theirs.answer}; compare runs of one task."
        )
    return ours.form


def _why_unpaired(ours: Run, theirs: Run, made: Comparison | None, hidden: bool) -> str:
    if hidden:
        return TOO_FEW
    if made is not None:
        return ""
    for run in (ours, theirs):
        if not run.final:
            return f"of {run.name} the test split was not scored"
    if ours.task != theirs.task:
        return f"they answer different tasks, {ours.task} and {theirs.task}"
    if ours.data != theirs.data:
        return f"they were made on different data, {ours.data} and {theirs.data}, with other test rows or labels"
    return "their test rows or labels differ, or cannot be scored"


def _patients(run: Run) -> set[int]:
    return set(run.predictions(SCORING)["subject_id"].unique())


def _difference(two: Beside, score: Score) -> Cell:
    if two._hidden(score.metric):
        return too_few()
    difference = two.difference(score.metric)
    if difference is None:
        return Cell("–" if score.counts == "labels" else "no interval")
    digits = 3 if two.ours.behind is None else two.ours.behind.precision(score.metric)
    return estimated(difference.value, difference.low, difference.high, digits, signed=True)


def _row(two: Beside, score: Score) -> dict[str, Any]:
    difference = two.difference(score.metric)
    sides = {side: f"{cell.text} ({cell.detail})" if cell.detail else cell.text
             for side, v in (("a", two.ours), ("b", two.theirs)) for cell in [two.cell(v, score)]}  # fmt: skip
    ends = None if difference is None else {name: getattr(difference, name) for name in ("value", "low", "high")}
    return {"metric": score.metric, "title": score.title, **sides, "difference": ends}


def named_run(run: Run) -> dict[str, Any]:
    """Which run a side is, as plain JSON."""
    return {"run": run.fingerprint, "name": run.name, "kind": run.kind, "task": run.task, "data": run.data}
