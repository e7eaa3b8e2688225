"""Scores as the code of Gema et al. (2023) works them out, beside the right ones: of data that follow that code alone.

predictions of the test split ─softmax over labels, pairs of classes─▶ the published kind of score, and labels skipped
"""

from collections.abc import Mapping, Sequence
from typing import Final

from chartune.answers import Answer, Score
from chartune.report.predicted import Predicted, of_variant, predicted
from chartune.report.table import NOT_MEASURED, Cell, Column, Table, count
from chartune.report.variants import Variant, called, scored
from chartune.tasks.dataset import Dataset

NOTE: Final = (
    "Worked out from the same predictions. That code ranks texts by the softmax of a label over all labels of a text, "
    "where each label is a question of its own, and by pairs of classes where there are several; it leaves out labels "
    "that the split does not define and does not say how many. Only the first score of a row is a claim of this page; "
    "the other one is what printed scores are like."
)


def coded_scores(
    variants: Sequence[Variant], form: Answer, labels: Sequence[str], dataset: Dataset
) -> dict[str, Predicted | None]:
    """Fingerprint → what a run says in the scores of that code; empty: they are ours, or the data follow other rules.

    Args:
        variants: of one task on one data set.
        form: of their answers.
        labels: ids of the labels in the order of their numbers.
        dataset: what it is.
    """
    if not form.as_coded or not dataset.as_coded:
        return {}
    runs = [run for variant in variants if not variant.hidden for run in variant.runs]
    return {run.fingerprint: predicted(run, form, labels, form.as_coded) for run in runs}


def coded_table(
    variants: Sequence[Variant], form: Answer, known: Mapping[str, Predicted | None], caption: str
) -> Table | None:
    """Both scores of every variant; None: nothing is known of the second one.

    Args:
        variants: numbered.
        form: of their answers.
        known: from `coded_scores`.
        caption: whose scores.
    """
    if not any(known.values()):
        return None
    right = form.headline
    columns = (
        Column("Variant", numeric=False), Column(right.title, right.meaning),
        *(Column(f"{each.title}, as coded" if each.counts == "pairs" else each.title, each.meaning)
          for each in form.as_coded),
    )  # fmt: skip
    rows = tuple(
        (called(v), scored(v, right.metric), *(_cell(v, each, known) for each in form.as_coded)) for v in variants
    )
    return Table(caption, columns, rows, NOTE, cards=False)


def _cell(variant: Variant, score: Score, known: Mapping[str, Predicted | None]) -> Cell:
    """A count of labels hides nobody."""
    if score.counts != "labels":
        return of_variant(variant, score.metric, known)
    said = known.get(variant.run.fingerprint)
    skipped = said.estimate(score.metric) if said else None
    return Cell(count(skipped.value) if skipped else NOT_MEASURED)
