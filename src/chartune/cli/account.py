"""What a finished run says of itself: what was asked, trained and kept, its scores, and whether they beat guessing."""

from collections.abc import Iterator
from typing import Final

from chartune.disclosure import Behind, magnitude
from chartune.quantities import Estimate
from chartune.report.compare import Comparison
from chartune.report.lost_words import lost_words
from chartune.runs.record import RunRecord
from chartune.runs.run import SCORING, START, Run

NAMED: Final = 8
"""Classes, at most, that are named."""


def account(run: Run, scores: dict[str, str], stands: Behind | None, compared: Comparison | None = None) -> str:
    """The run in lines.

    Args:
        run: finished.
        scores: split → its scores as they may be shown.
        stands: who stands behind the scores of the test split; None: they are shown as they are.
        compared: it against TF-IDF on the same words; None: not compared.
    """
    about = run.about
    lines = [f"{run.name}  ({run.kind} {run.fingerprint})"]
    lines += [f"  task: {about.task}"] if about.task else []
    lines += [f"  asked: {asked}"] if (asked := _asked(about)) else []
    lines += [*_trained(run), *_members(about), *_kept(run, exact=stands is None)]
    lines += [f"  {split}: {line}" for split, line in scores.items()]
    lines += [] if run.final else [f"  {SCORING}: not scored; a study scores it of its final cells"]
    lines += [f"  {verdict}"] if (verdict := against_chance(run, stands)) else []
    lines += [f"  {below}"] if (below := against_frequencies(run, stands)) else []
    lines += [f"  {against_words(compared)}"] if compared else []
    lines += [f"  lost in {line}" for line in lost_words(about.words, exact=stands is None)]
    return "\n".join([*lines, f"  {run.path}"])


def against_chance(run: Run, stands: Behind | None) -> str:
    """Whether the headline on the test split beats guessing, by its interval as it is shown; empty: nobody can say.

    Args:
        run: finished.
        stands: as for `account`.
    """
    score = run.form.headline if run.form else None
    estimate = run.estimate(score.metric) if score else None
    if score is None or score.chance is None or estimate is None:
        return ""
    if stands is not None:
        if stands.hides(score.metric, estimate):
            return ""
        estimate = stands.release(score.metric, estimate)
    return _verdict(score.title, score.chance, estimate)


def against_frequencies(run: Run, stands: Behind | None) -> str:
    """Whether an adapted language model predicts worse than the frequencies of tokens do; empty: it does not."""
    ours, frequencies = (run.estimate(metric) for metric in ("perplexity", "unigram_perplexity"))
    if ours is None or frequencies is None or ours.value <= frequencies.value or (stands is not None and stands.few):
        return ""
    return (
        "worse than the frequencies of tokens in the training texts alone (unigram): trained too briefly, at a rate "
        "that does not suit the method, or on a base that knows no such text"
    )


def against_words(compared: Comparison) -> str:
    """Whether the headline on the test split beats that of TF-IDF on the same words, by the paired interval."""
    title, theirs = compared.ours.run.headline.title, compared.theirs.score(compared.ours.headline)
    words = {"above": "better than", "below": "worse than", "open": "not better than"}[compared.verdict]
    difference = compared.shown.with_interval(compared.digits)
    score = f", whose {title} is {theirs.value}" if theirs else ""
    return f"{words} TF-IDF on the same words{score}: the difference is {difference}"


def _asked(about: RunRecord) -> str:
    """The positive class of both, the classes of which one applies, or how many labels may; empty: it is not known."""
    if about.outcome or about.form is None or not about.labels:
        return about.outcome
    if about.form.several:
        return f"which of {len(about.labels)} labels apply"
    named = f": {', '.join(about.labels)}" if len(about.labels) <= NAMED else ""
    if not about.form.whole_text:
        return f"spans of {len(about.labels)} types{named}"
    return f"which of {len(about.labels)} classes applies{named}"


def _verdict(title: str, chance: float, estimate: Estimate) -> str:
    if estimate.low is None or estimate.high is None:
        return ""
    if estimate.low > chance:
        return f"better than guessing, whose {title} is {chance:.2f}"
    if estimate.high < chance:
        return f"worse than guessing, whose {title} is {chance:.2f}: are classes or labels mixed up?"
    return f"not better than guessing: the interval of the {title} on the {SCORING} split holds {chance:.2f}"


def _trained(run: Run) -> Iterator[str]:
    """The base model and what learnt on it."""
    base, cost = run.backbone, run.cost
    if base is None:
        return
    yield f"  base: {base.name}"
    learnt, every = cost.trainable_parameters, cost.total_parameters
    count = f", {learnt:,} of {every:,} learn ({learnt / every:.1%})" if learnt and every else ""
    yield f"  trained: {run.about.stack_title}{count}"


def _members(about: RunRecord) -> Iterator[str]:
    """The members of an ensemble, and what each weighs."""
    if about.members:
        weighed = ", ".join(f"{member.weight:.2f} {member.name} ({member.run[:8]})" for member in about.members)
        yield f"  members: {weighed}; weights chosen on the validation split"


def _kept(run: Run, exact: bool) -> Iterator[str]:
    """The weights that were kept; of real patients the step's first digit, because it is in proportion to texts."""
    step = magnitude(run.about.best_step, exact, run.about.texts)
    if run.kept_start:
        yield f"  kept: {START}; training did not improve the validation score"
    elif step is not None:
        yield f"  kept: the weights of {'step' if exact else 'about step'} {step:.0f}, the best on the validation split"
