"""How well: arrays of labels and scores in, Estimates out. Pure NumPy; nothing here knows a model or a note."""

from chartune.metrics.auroc import auroc, auroc_estimate
from chartune.metrics.bootstrap import Resamples, patient_bootstrap, resample
from chartune.metrics.calibration import Bin, calibration_curve
from chartune.metrics.classification import (
    auprc,
    auprc_estimate,
    binary_scores,
    brier,
    brier_estimate,
    log_loss,
    prevalence,
)
from chartune.metrics.compare import paired_difference
from chartune.metrics.multiclass import multiclass_scores
from chartune.metrics.multilabel import multilabel_scores
from chartune.metrics.recalibration import calibration_intercept_slope
from chartune.metrics.roc import roc_curve

__all__ = [
    "Bin",
    "Resamples",
    "auprc",
    "auprc_estimate",
    "auroc",
    "auroc_estimate",
    "binary_scores",
    "brier",
    "brier_estimate",
    "calibration_curve",
    "calibration_intercept_slope",
    "log_loss",
    "multiclass_scores",
    "multilabel_scores",
    "paired_difference",
    "patient_bootstrap",
    "prevalence",
    "resample",
    "roc_curve",
]
