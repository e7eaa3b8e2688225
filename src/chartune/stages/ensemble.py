"""An ensemble: finished runs of one task together, such as TF-IDF and a fine-tuned model, from saved predictions.

    predictions of each member ─┬ validation rows ─▶ weights: of those on a grid the best headline score
                                └ Σ weight · log-odds ─▶ predictions and scores of a run of its own

What is averaged are log-odds, of classes log-probabilities (a logarithmic opinion pool; Genest and Zidek, 1986).
Weights are multiples of a step, sum to 1, and are the same for all labels.
"""

from collections.abc import Iterator, Mapping, Sequence
from math import comb
from typing import Annotated, Any, Final, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from chartune.config import Unhashed
from chartune.errors import ConfigError
from chartune.log import progress
from chartune.runs.ledger import run_at
from chartune.runs.run import Run
from chartune.stages.facts import source_facts, task_facts
from chartune.stages.recalibrating import CALIBRATION, Recalibrated, recalibration
from chartune.stages.scoring import score, validated, write_predictions
from chartune.stages.stage import Outcome, Work, perform
from chartune.stages.table import TaskTable, read_table
from chartune.store import Store
from chartune.tasks.dataset import read_dataset
from chartune.tasks.prepare import prepare

REVISION: Final = 1
STEPS: Final = (20, 10, 5, 4, 3, 2)
"""Into how many parts a weight of 1 is cut: the most that leave `CANDIDATES` at most."""
CANDIDATES: Final = 1000
Decided = Mapping[str, NDArray[np.float64]]
"""What was scored of each row, by split."""


class Ensemble(Recalibrated):
    """Two or more finished runs of the same rows, weighed on the validation split."""

    kind: Literal["ensemble"] = "ensemble"
    task: str = ""
    """Which of the prepared tasks; the beginning of a name will do; empty: the first."""
    members: Annotated[tuple[str, ...], Unhashed(), Field(min_length=2, max_length=10)]
    """Finished runs: fingerprint, its beginning, name or folder; in a study `{from: STAGE}`. Its name takes their
    fingerprints."""


def ensemble(stage: Ensemble, store: Store) -> Run:
    """Weigh, or find it done.

    Raises:
        ConfigError: a member is missing, given twice, or of another task or other patients.
        LabelError: a split lacks a class.
    """
    data = prepare(stage.data, store)
    table = read_table(data, stage.task)
    table.must_be_learnable()
    members = [run_at(store, reference) for reference in stage.members]
    splits = [split for split in stage.read_splits(table) if split != CALIBRATION or _all_have_read(members, split)]
    decided = [_decided(run, table, splits) for run in members]
    prints = [run.fingerprint for run in members]
    if len(set(prints)) < len(prints):
        raise ConfigError(f"members of an ensemble must be different runs, but {stage.members} name one twice.")
    return perform(
        stage.model_copy(update={"members": tuple(prints)}), store, data, kind="ensemble", revision=REVISION,
        name=stage.name or f"Ensemble of {' and '.join(dict.fromkeys(run.name for run in members))}",
        parts=parts_of(table.task, prints),
        facts={"source": source_facts(read_dataset(data)), **task_facts(table), "backbone": None, "stack": None,
               "parents": prints, "max_seq_len": None, "truncated_fraction": None},
        resolved=None, work=lambda work: _weighed(stage, table, members, decided, work),
    )  # fmt: skip


def parts_of(task: str, members: Sequence[str]) -> dict[str, Any]:
    """What determines a run beside stage and data; members: fingerprints, in order."""
    return {"task": task, "members": list(members)}


def _decided(run: Run, table: TaskTable, splits: Sequence[str]) -> dict[str, NDArray[np.float64]]:
    """What a member predicted of the rows of a table, in their order.

    Raises:
        ConfigError: it has answered another task, other labels, or other rows.
    """
    labels = run.about.labels
    if run.task != table.task or labels != tuple(table.space.labels) or run.about.external is not None:
        why = f"{run.name!r} answers {run.task or 'none'}" if run.task != table.task else f"{run.name!r} has others"
        raise ConfigError(f"members of an ensemble must answer {table.task} with its labels, but {why}; leave it out.")
    return {split: _of_rows(run, table, split) for split in splits}


def _of_rows(run: Run, table: TaskTable, split: str) -> NDArray[np.float64]:
    frame, rows = run.predictions(split).sort("hadm_id"), table.frame[table.rows(split)]
    key = ["subject_id", "hadm_id", "label"]
    if frame.is_empty():
        raise ConfigError(
            f"members of an ensemble must have scored its splits, but {run.name!r} has not scored {split}; run its "
            f"stage again with `scores_test: true`, or the ensemble without it."
        )
    if not frame.select(key).equals(rows.select(key)):
        raise ConfigError(
            f"members of an ensemble must have scored the same {table.unit}, but those of {run.name!r} in {split} are "
            f"others, or have other labels; train it on the same patients."
        )
    return table.form.read(frame)[1].astype(np.float64)


def _weighed(
    stage: Ensemble, table: TaskTable, members: Sequence[Run], decided: Sequence[Decided], work: Work
) -> Outcome:
    """Choose the weights, score."""
    weights = _chosen(table, [each["validation"] for each in decided])
    together = {split: pooled([each[split] for each in decided], weights) for split in decided[0]}
    write_predictions(work.folder, table, together)
    scores = score(table, {split: together[split] for split in stage.scored}, work.folder, words={})
    known = [{"run": run.fingerprint, "name": run.name, "weight": float(weight)}
             for run, weight in zip(members, weights, strict=True)]  # fmt: skip
    facts = {"members": known, **recalibration(stage, table, together)}
    return Outcome(scores, trainable_parameters=len(members), facts=facts)


def _all_have_read(members: Sequence[Run], split: str) -> bool:
    """Runs of earlier versions have not predicted the calibration split; the validation split stands in."""
    return all(not run.predictions(split).is_empty() for run in members)


def _chosen(table: TaskTable, validation: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    """The weights of the best headline score on the validation split, of equal ones of the smaller log loss, [M]."""
    candidates = list(simplex(len(validation)))
    with progress("weighing members", total=len(candidates)) as meter:
        scores = []
        for weights in candidates:
            scores.append(validated(table, pooled(validation, weights))[0])
            meter.advance()
    return candidates[int(np.argmax(scores))]


def pooled(decided: Sequence[NDArray[np.float64]], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Σ weight · log-odds; decided: of each member alike in shape, weights: [M]."""
    parts = (weight * each for weight, each in zip(weights, decided, strict=True) if weight)
    return np.asarray(np.sum(list(parts), axis=0))


def simplex(members: int) -> Iterator[NDArray[np.float64]]:
    """Every way of sharing 1 among members, [M], in multiples of the finest step that leaves a thousand at most."""
    steps = next(n for n in STEPS if comb(n + members - 1, members - 1) <= CANDIDATES)
    for parts in _shared(steps, members):
        yield np.asarray(parts, dtype=np.float64) / steps


def _shared(steps: int, members: int) -> Iterator[list[int]]:
    if members == 1:
        yield [steps]
        return
    for first in range(steps + 1):
        for rest in _shared(steps - first, members - 1):
            yield [first, *rest]
