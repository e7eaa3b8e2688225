"""Scores and rows: what every stage with a task hands out, as the form of its answer says (`chartune.answers`).

scores.json           split ─▶ metric ─▶ Estimate; on a made-up hospital the best reachable AUROC, too
predictions.parquet   ids, labels and what was predicted; never text
per_label.parquet     a row per label
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from chartune.answers import ENOUGH_CASES
from chartune.metrics.auroc import auroc_estimate
from chartune.quantities import Estimate
from chartune.stages.table import TaskTable
from chartune.tasks.frames import write_frame

TIE: Final = 1e-6
"""Of two equal scores the smaller log loss wins: on a small validation split the first of many perfect rankings is that
of a model which has hardly learnt."""
Oracle = Callable[[pl.DataFrame], pl.DataFrame]
"""hadm_id · words (read of each text) → hadm_id · p_death, the true probability given those words."""


def write_predictions(folder: Path, table: TaskTable, decided: Mapping[str, NDArray[np.float64]]) -> None:
    """Write predictions.parquet: split, subject_id, hadm_id, label and what was predicted.

    Of one outcome: `logit`, `probability` f64, and the latter again under the name of the class that it is the
    probability of (`chartune.answers.outcomes.probability_column`), such as `p_died`. Of others: `logits` list[f32].
    """
    parts = [_predicted(table, split, values) for split, values in decided.items()]
    write_frame(pl.concat(parts), folder / "predictions.parquet")


def score(
    table: TaskTable, decided: Mapping[str, NDArray[np.float64]], folder: Path,
    *, words: Mapping[str, NDArray[np.int32]], oracle: Oracle | None = None,
) -> dict[str, dict[str, Estimate]]:  # fmt: skip
    """Scores by split, with patient-bootstrap intervals; writes per_label.parquet where there are several labels.

    Args:
        table: the examples.
        decided: what `Answer.decide` gives, by split, in the order of the table.
        folder: of the run.
        words: how many words of each text were read, by split, where the oracle is to be asked.
        oracle: of the hospital that the data are of; None: it has none, as no real one has.
    """
    scores = {}
    for split, values in decided.items():
        part = table.frame[table.rows(split)]
        subjects, labels = part.get_column("subject_id").to_numpy(), table.labels(split)
        scores[split], each = table.form.score(labels, values, subjects, table.counted())
        if each and split == "test":
            _write_per_label(folder, table, each)
        if oracle is not None and split in words:
            scores[split]["oracle_auroc"] = _best_reachable(part, words[split], oracle)
    return scores


def validated(table: TaskTable, decided: NDArray[np.float64]) -> tuple[float, dict[str, float]]:
    """By what choices are made on the validation split, higher is better; and the headline and log loss behind it."""
    form = table.form
    values = form.quick(table.labels("validation"), decided, table.counted())
    return values[form.headline.metric] - TIE * min(values["log_loss"], 1.0), values


def _predicted(table: TaskTable, split: str, decided: NDArray[np.float64]) -> pl.DataFrame:
    rows = table.frame[table.rows(split)].select("split", "subject_id", "hadm_id", "label")
    return rows.with_columns(table.form.predicted(decided, table.space.positive))


def _write_per_label(folder: Path, table: TaskTable, each: list[Estimate | None]) -> None:
    train, metric = table.cases("train"), table.form.per_label.metric if table.form.per_label else ""
    measured = {
        metric: [e and e.value for e in each], f"{metric}_low": [e and e.low for e in each],
        f"{metric}_high": [e and e.high for e in each],
    }  # fmt: skip
    frame = pl.DataFrame(
        {"label": table.space.labels, "title": table.space.titles, "train_cases": train, "cases": table.cases("test"),
         "scored": train >= ENOUGH_CASES, **measured},
        schema_overrides=dict.fromkeys(measured, pl.Float64),
    )  # fmt: skip
    write_frame(frame.sort("label"), folder / "per_label.parquet")


def _best_reachable(part: pl.DataFrame, words: NDArray[np.int32], oracle: Oracle) -> Estimate:
    """The best AUROC that anybody could reach who has read so many words of each text."""
    read = part.select("hadm_id").with_columns(pl.Series("words", words.astype(np.int32)))
    truth = part.select("hadm_id").join(oracle(read), on="hadm_id", how="left", maintain_order="left")
    known = truth.get_column("p_death").to_numpy()
    return auroc_estimate(part.get_column("label").to_numpy(), known, part.get_column("subject_id").to_numpy())
