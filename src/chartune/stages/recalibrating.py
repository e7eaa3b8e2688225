"""Recalibrating: what a run that scores a task keeps beside its predictions, so that probabilities are calibrated.

decided ─┬ calibration split, where the data have one ┐
         └ else validation split                      ┴─form of the answer─▶ run.json: calibration, or why there is none

Predictions and scores of a run stay as its model gave them. Who reads probabilities gets them recalibrated, or raw.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from chartune.config import Added
from chartune.metrics.recalibrators import LEAST
from chartune.stages.stage import LearningStage
from chartune.stages.table import TaskTable

CALIBRATION: Final = "calibration"


class Recalibrated(LearningStage):
    """A stage whose probabilities are recalibrated."""

    recalibration: Annotated[Literal["auto", "none", "temperature", "platt", "isotonic"], Added()] = "auto"
    """How probabilities are recalibrated, on the calibration split or, without one, the validation split: `auto` is
    `platt` of one outcome, `temperature` of several labels, to which `platt` and `isotonic` leave these, too; `none`:
    they stay raw."""

    def read_splits(self, table: TaskTable) -> tuple[str, ...]:
        """The splits that are predicted: those that are scored, and the calibration split where there is one."""
        further = self.recalibration != "none" and bool(table.form.recalibrators) and len(table.rows(CALIBRATION)) > 0
        return (*self.scored, CALIBRATION) if further else self.scored


def recalibration(
    stage: Recalibrated, table: TaskTable, decided: Mapping[str, NDArray[np.float64]]
) -> dict[str, Any]:  # fmt: skip
    """Entries of run.json: `calibration`, or in `uncalibrated` why probabilities stay raw.

    Args:
        stage: its config.
        table: the examples.
        decided: what was scored, by split.
    """
    if stage.recalibration == "none":
        return {"calibration": None, "uncalibrated": "it was switched off"}
    if not table.form.recalibrators:
        return _raw("probabilities of spans are given as the model has them")
    split = CALIBRATION if CALIBRATION in decided else "validation"
    form, labels, counted = table.form, table.labels(split), table.counted()
    borne = form.borne(labels, decided[split])
    cases = borne.sum(axis=0)[counted if form.several else slice(None)]
    if not (np.minimum(cases, len(borne) - cases) >= LEAST).any():
        return _raw(f"no label has {LEAST} cases and {LEAST} controls in the {split} split")
    asked = stage.recalibration if stage.recalibration in form.recalibrators else form.recalibrators[0]
    fitted = form.recalibrator(asked, labels, decided[split], counted)
    if fitted is None:
        return _raw(f"the {split} split determines no slope above 0")
    return {"calibration": fitted.but(split=split).to_json()}


def _raw(why: str) -> dict[str, Any]:
    return {"calibration": None, "uncalibrated": why}
