"""How well: arrays of labels and scores in, Estimates out. NumPy and SciPy; nothing here knows a model or a note."""

from chartune.metrics.auroc import auroc, auroc_estimate
from chartune.metrics.bootstrap import Resamples, patient_bootstrap, resample
from chartune.metrics.calibration import Bin, calibration_curve
from chartune.metrics.classification import log_loss
from chartune.metrics.compare import paired_difference
from chartune.metrics.roc import roc_curve

__all__ = [
    "Bin",
    "Resamples",
    "auroc",
    "auroc_estimate",
    "calibration_curve",
    "log_loss",
    "paired_difference",
    "patient_bootstrap",
    "resample",
    "roc_curve",
]
