"""What a test split can show: the smallest true difference of AUROC that it would detect, said before it is opened.

    validation: pairs of variants ─error of their difference─▶ scaled to the test split's patients ─▶ 2.8 errors
    no two variants scored: error that is expected of two AUROCs of 0.80, correlated by 0.5

Of real patients the numbers of cases are the lowest of their classes, and the difference has two digits.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations, islice
from math import isfinite, sqrt
from statistics import median
from typing import Final

from chartune.answers import Answer
from chartune.disclosure import SMALL, lowest, shown
from chartune.metrics.decisive import detectable, paired_error
from chartune.metrics.delong import clustered_delong
from chartune.report.variants import Variant
from chartune.runs.run import CHOOSING, SCORING

AREA: Final = 0.8
CORRELATION: Final = 0.5
"""What is assumed where no two variants are scored."""
MOST: Final = 20
"""Pairs of variants whose errors are looked at."""


def detectable_said(
    variants: Sequence[Variant], form: Answer, counts: Mapping[str, Mapping[str, int]], exact: bool
) -> str:
    """The smallest difference that the test split would show, as a sentence; empty: it is not asked, or not known.

    Args:
        variants: of one task, some of them not final.
        form: of the answers.
        counts: split → admissions, positives and subjects of the prepared data.
        exact: whether exact counts may be shown.
    """
    tested = _kinds(counts.get(SCORING, {}), exact)
    if not form.one_outcome or tested is None:
        return ""
    errors = list(islice(_errors(variants, tested, exact), MOST))
    known = f"the error of {len(errors)} differences on the validation split, scaled to the patients of the test split"
    return in_words(median(errors) if errors else expected_error(tested), tested, known if errors else "", exact)


def expected_in_words(counts: Mapping[str, Mapping[str, int]], exact: bool) -> str:
    """The same of a task of which nothing is scored yet; arguments as of `detectable_said`."""
    tested = _kinds(counts.get(SCORING, {}), exact)
    return "" if tested is None else in_words(expected_error(tested), tested, "", exact)


def expected_error(tested: tuple[float, float]) -> float:
    """Standard error that is expected of a difference. tested: patients with the outcome, and without it."""
    return paired_error(AREA, *tested, CORRELATION)


def in_words(error: float, tested: tuple[float, float], known: str, exact: bool) -> str:
    """The sentence. known: what the error is from; empty: what was assumed."""
    assumed = f"assuming two AUROCs of {AREA:.2f} with a correlation of {CORRELATION:.1f}"
    cases, controls = (shown(round(number), exact) for number in tested)
    return (
        f"Smallest difference of AUROC that the test split would show with a power of 80 % (two-sided, 5 %): "
        f"{detectable(error):.{3 if exact else 2}f}, by {known or assumed} ({cases} patients with the outcome, "
        f"{controls} without it)."
    )


def _kinds(counts: Mapping[str, int], exact: bool) -> tuple[float, float] | None:
    """Rows with the outcome and without it, in so many independent patients; None: not known, or too few to show."""
    rows, positives = counts.get("admissions"), counts.get("positives")
    if not rows or positives is None:
        return None
    both = (positives, rows - positives)
    if min(both) < (1 if exact else SMALL):
        return None
    independent = min(1.0, counts.get("subjects", rows) / rows) if exact else 1.0
    return tuple((each if exact else lowest(each)) * independent for each in both)  # type: ignore[return-value]


def _errors(variants: Sequence[Variant], tested: tuple[float, float], exact: bool) -> Iterator[float]:
    """Errors of differences between variants on the validation split, as they would be on the test split."""
    scored = [v for v in variants if v.run.has_predictions() and not (v.watched is not None and v.watched.few)]
    rows = [v.run.predictions(CHOOSING).sort("hadm_id") for v in scored]
    for one, other in combinations(rows, 2):
        keys = ["subject_id", "hadm_id", "label"]
        if one.is_empty() or one["label"].n_unique() < 2 or not one.select(keys).equals(other.select(keys)):
            continue
        labels, subjects = one["label"].to_numpy(), one["subject_id"].to_numpy()
        error = clustered_delong(labels, [one["logit"].to_numpy()], [other["logit"].to_numpy()], subjects).error
        watched = _kinds({"admissions": one.height, "positives": int(labels.sum())}, exact)
        if watched is not None and isfinite(error):
            yield error * sqrt(sum(1 / n for n in tested) / sum(1 / n for n in watched))
