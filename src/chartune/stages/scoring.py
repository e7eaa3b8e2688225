"""Scores and rows: what every stage with a task hands out.

    binary       log-odds [n]       AUROC, calibration, and on a made-up hospital the best reachable AUROC
    multiclass   logits [n, K]      macro one-vs-rest AUROC, and a row per class
    multilabel   logits [n, L]      macro AUROC over labels with enough training cases, and a row per label

Rows hold ids, labels and what was predicted; never text.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from chartune.metrics.auroc import auroc, auroc_estimate
from chartune.metrics.classification import binary_scores, log_loss, sigmoid
from chartune.metrics.multiclass import against_the_rest, multiclass_scores
from chartune.metrics.multilabel import multilabel_scores
from chartune.quantities import Estimate
from chartune.sources.made_up import oracle_probability
from chartune.sources.marker import marker
from chartune.stages.table import TaskTable
from chartune.tasks.frames import write_frame
from chartune.tasks.positive import probability_column

ORACLE_KNOWS: Final = ("mortality", "admission-note")
"""The task whose true probabilities a made-up hospital tells, and what is read: it knows those of each prefix."""


def decisions(table: TaskTable, logits: NDArray[np.float32]) -> NDArray[np.float64]:
    """What is scored. logits: [n, outputs]; returns the log-odds of class 1, [n], of a binary task, else the logits."""
    if table.space.answer == "binary":
        return (logits[:, 1] - logits[:, 0]).astype(np.float64)
    return logits.astype(np.float64)


def quick_scores(table: TaskTable, split: str, decided: NDArray[np.float64]) -> dict[str, float]:
    """`auroc` and `log_loss` (nats; of many labels their mean), without intervals: what early stopping goes by."""
    labels = table.labels(split)
    match table.space.answer:
        case "binary":
            return {"auroc": auroc(labels, decided), "log_loss": log_loss(labels, decided)}
        case "multiclass":
            one_hot = labels[:, None] == np.arange(table.outputs)
            nats = np.logaddexp.reduce(decided, axis=1) - decided[one_hot]
            return {"auroc": _macro_auroc(one_hot, against_the_rest(decided)), "log_loss": float(nats.mean())}
        case "multilabel":
            counted = table.scored()
            nats = np.logaddexp(0, decided) - labels * decided
            return {
                "auroc": _macro_auroc(labels[:, counted] > 0, decided[:, counted]), "log_loss": float(nats.mean()),
            }  # fmt: skip


def write_predictions(folder: Path, table: TaskTable, decided: Mapping[str, NDArray[np.float64]]) -> None:
    """Write predictions.parquet: split, subject_id, hadm_id, label and what was predicted.

    Binary: `logit`, `probability` f64, and the latter again under the name of the class that it is the probability of
    (`chartune.tasks.positive.probability_column`), such as `p_died`. Multiclass and multilabel: `logits` list[f32].
    """
    parts = [_predicted(table, split, values) for split, values in decided.items()]
    write_frame(pl.concat(parts), folder / "predictions.parquet")


def score(
    table: TaskTable, decided: Mapping[str, NDArray[np.float64]], folder: Path,
    *, words: Mapping[str, NDArray[np.int32]], source: Any,
) -> dict[str, dict[str, Estimate]]:  # fmt: skip
    """Scores by split, with patient-bootstrap intervals; writes per_label.parquet where there are several labels.

    Args:
        table: the examples.
        decided: what `decisions` gives, by split, in the order of the table.
        folder: of the run.
        words: how many words of each text were read, by split, where the oracle is to be asked.
        source: where the data came from.
    """
    scores = {}
    for split, values in decided.items():
        part = table.frame[table.rows(split)]
        subjects, labels = part.get_column("subject_id").to_numpy(), table.labels(split)
        each: list[Estimate | None] = []
        match table.space.answer:
            case "binary":
                scores[split] = binary_scores(labels, values, subjects)
            case "multiclass":
                scores[split], each = multiclass_scores(labels, values, subjects)
            case "multilabel":
                scores[split], each = multilabel_scores(labels, values, subjects, table.scored())
        if each and split == "test":
            _write_per_label(folder, table, each)
        if split in words and (table.task, table.reads) == ORACLE_KNOWS and _has_an_oracle(source):
            scores[split]["oracle_auroc"] = _oracle(part, words[split], source)
    return scores


def _macro_auroc(labels: NDArray[np.bool_], scores: NDArray[np.float64]) -> float:
    """Plain mean over the columns that have both classes. labels, scores: [n, L]."""
    both = np.flatnonzero(labels.any(axis=0) & ~labels.all(axis=0))
    return float(np.mean([auroc(labels[:, i], scores[:, i]) for i in both])) if len(both) else float("nan")


def _predicted(table: TaskTable, split: str, decided: NDArray[np.float64]) -> pl.DataFrame:
    rows = table.frame[table.rows(split)].select("split", "subject_id", "hadm_id", "label")
    if decided.ndim == 1:
        probability = pl.Series("probability", sigmoid(decided))
        named = [probability.alias(probability_column(table.space.positive))] if table.space.positive else []
        return rows.with_columns(pl.Series("logit", decided), probability, *named)
    matrix = pl.Series("logits", decided.astype(np.float32))  # [n, L]: an array per row, without Python numbers
    return rows.with_columns(matrix.cast(pl.List(pl.Float32)))


def _write_per_label(folder: Path, table: TaskTable, each: list[Estimate | None]) -> None:
    frame = pl.DataFrame(
        {
            "label": table.space.labels, "title": table.space.titles,
            "train_cases": table.cases("train"), "cases": table.cases("test"), "scored": table.scored(),
            "auroc": [e and e.value for e in each], "auroc_low": [e and e.low for e in each],
            "auroc_high": [e and e.high for e in each],
        },
        schema_overrides={"auroc": pl.Float64, "auroc_low": pl.Float64, "auroc_high": pl.Float64},
    )  # fmt: skip
    write_frame(frame.sort("label"), folder / "per_label.parquet")


def _has_an_oracle(source: Any) -> bool:
    """Whether the very tables that were read are those of a made-up hospital, and the oracle is its own."""
    return marker(source.folder, source.files().values(), truths=("oracle",)) is not None


def _oracle(part: pl.DataFrame, words: NDArray[np.int32], source: Any) -> Estimate:
    """The best AUROC that anybody could reach who has read so many words of each text."""
    read = part.select("hadm_id").with_columns(pl.Series("words", words.astype(np.int32)))
    truth = part.select("hadm_id").join(
        oracle_probability(source.folder, read), on="hadm_id", how="left", maintain_order="left"
    )
    known = truth.get_column("p_death").to_numpy()
    return auroc_estimate(part.get_column("label").to_numpy(), known, part.get_column("subject_id").to_numpy())
