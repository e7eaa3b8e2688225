"""Rows of predictions: ids and numbers, never text.

binary       id · probability · p_died · decision, where there is a threshold
one of many  id · label, the most probable · p_<class> of each
any of many  id · labels, those at or above the threshold · p_<label> of each
spans        id · spans, each start, end (characters of the text, exclusive), type, probability
with one     … · threshold · threshold_rule, such as `given` or `youden on the validation split`
all          … · tokens · tokens_read · truncated · recalibration · model · adapter
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from chartune.answers.outcomes import probability_column
from chartune.errors import ConfigError
from chartune.notes.text_pair import Text, texts_in
from chartune.prediction.outputs import Outputs
from chartune.prediction.scorer import Scorer
from chartune.prediction.thresholds import Threshold

SPAN: Final = pl.Struct({"start": pl.Int64, "end": pl.Int64, "type": pl.String, "probability": pl.Float64})
"""Place in characters of the text as it was given, the end exclusive; the lowest probability among its words' tags."""
EVEN: Final = 0.5
"""The threshold of labels of which several may apply, where none is given."""


@dataclass(frozen=True)
class Choices:
    """How probabilities become rows."""

    recalibrated: bool | None = None
    """Whether probabilities are recalibrated; None: where something was fitted."""
    threshold: Threshold | None = None
    """From where on a label is said to apply; None: no decision of one outcome, 0.5 of several labels."""
    skip_empty: bool = False
    """Whether rows without a text are kept, without a probability and with a reason."""

    def must_suit(self, outputs: Outputs) -> None:
        """Refuse what a run cannot give, before anything is scored.

        Raises:
            ConfigError: there is a threshold of classes of which one applies.
            RunError: it is to be recalibrated, and nothing was fitted.
        """
        if not outputs.form.whole_text:
            if self.recalibrated:
                raise ConfigError("probabilities of spans are given as the model has them; leave --recalibrated out.")
            return
        if self.threshold is not None and not (outputs.form.one_outcome or outputs.form.several):
            raise ConfigError(
                f"of {len(outputs.labels)} classes the most probable one is given, so that no threshold decides; leave "
                f"--threshold out."
            )
        if self.recalibrated:
            outputs.recalibrated(np.zeros(0))


def prediction_rows(scorer: Scorer, ids: pl.Series, texts: pl.Series, choices: Choices) -> pl.DataFrame:
    """A row per text, in order; a text that is null has nulls.

    Args:
        scorer: the run.
        ids: [n].
        texts: str?, or pairs of texts, [n].
        choices: how probabilities become rows.
    """
    there = texts.is_not_null()
    made = _of_texts(scorer, texts_in(texts.drop_nulls()), choices)
    rows = pl.DataFrame({"id": ids, "_there": there})
    places = pl.DataFrame({"_row": pl.Series(there.arg_true(), dtype=pl.UInt32)})
    rows = rows.with_row_index("_row").join(places.hstack(made), on="_row", how="left", maintain_order="left")
    reason = pl.when(pl.col("_there")).then(None).otherwise(pl.lit("no text")).alias("reason")
    named = rows.with_columns(*provenance(scorer, choices), r=reason)
    return (named.rename({"r": "reason"}) if choices.skip_empty else named.drop("r")).drop("_row", "_there")


def provenance(outputs: Outputs, choices: Choices) -> list[pl.Expr]:
    """The columns that say what the numbers of a row come from: threshold and its rule, recalibration, model, adapter.

    `recalibration`: `platt on the validation split`, such as, or `raw`.
    """
    threshold, fitted = choices.threshold, outputs.calibration
    chosen = {} if threshold is None else {"threshold": threshold.value, "threshold_rule": threshold.rule}
    mended = fitted if outputs.recalibrates(choices.recalibrated) else None
    how = {"recalibration": f"{mended.kind} on the {mended.split} split" if mended else "raw"}
    origin = {"model": outputs.origin.fingerprint, "adapter": outputs.origin.weights}
    return [pl.lit(value).alias(name) for name, value in {**chosen, **how, **origin}.items()]


def _of_texts(scorer: Scorer, texts: Sequence[Text], choices: Choices) -> pl.DataFrame:
    reading = scorer.read(texts)
    return pl.DataFrame([
        *decided_columns(scorer, reading.decided, choices),
        pl.Series("tokens", reading.tokens, dtype=pl.Int64), pl.Series("tokens_read", reading.tokens_read, pl.Int64),
        pl.Series("truncated", reading.truncated, dtype=pl.Boolean),
    ])  # fmt: skip


def decided_columns(outputs: Outputs, decided: NDArray[Any], choices: Choices) -> list[pl.Series]:
    """The columns of n rows that say what was decided: probabilities of labels, or spans.

    Args:
        outputs: what they mean.
        decided: what is scored of each row, [n] or [n, outputs].
        choices: how it becomes rows; spans below a threshold are left out.
    """
    limit = choices.threshold.value if choices.threshold else None
    if outputs.form.whole_text:
        probability = outputs.probability(decided.astype(np.float64), recalibrated=choices.recalibrated)
        return label_columns(outputs, probability, limit)
    named = [
        [
            {**span._asdict(), "type": outputs.labels[span.label]}
            for span in one.spans
            if span.probability >= (limit or 0)
        ]
        for one in decided
    ]
    return [pl.Series("spans", named, dtype=pl.List(SPAN))]


def label_columns(
    outputs: Outputs, probability: NDArray[np.float64], threshold: float | None
) -> list[pl.Series]:  # fmt: skip
    """The columns of n rows that name labels and their probabilities.

    Args:
        outputs: what they mean.
        probability: of one outcome [n], else [n, labels].
        threshold: from where on a label is said to apply; None: no decision of one outcome, `EVEN` of several labels.
    """
    if outputs.form.one_outcome:
        return _outcome(outputs.labels, probability, threshold)
    each = [pl.Series(f"p_{name}", probability[:, number]) for number, name in enumerate(outputs.labels)]
    names: NDArray[Any] = np.asarray(outputs.labels, dtype=object)
    if outputs.form.several:
        applies = probability >= (EVEN if threshold is None else threshold)
        return [pl.Series("labels", [names[row].tolist() for row in applies], dtype=pl.List(pl.String)), *each]
    most = probability.argmax(axis=1) if len(probability) else np.zeros(0, dtype=np.int64)
    return [pl.Series("label", names[most].tolist(), dtype=pl.String), *each]


def _outcome(labels: Sequence[str], probability: NDArray[np.float64], threshold: float | None) -> list[pl.Series]:
    named = pl.Series("probability", probability, dtype=pl.Float64)
    columns = [named, named.alias(probability_column(labels[1]))]
    if threshold is not None:
        decision = [labels[int(applies)] for applies in probability >= threshold]
        columns.append(pl.Series("decision", decision, dtype=pl.String))
    return columns
