"""How well: arrays of labels and scores in, Estimates out. Pure NumPy; nothing here knows a model or a note."""

from chartune.metrics.auroc import auroc, auroc_estimate
from chartune.metrics.bootstrap import Resamples, patient_bootstrap, resample
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

__all__ = [
    "Resamples",
    "auprc",
    "auprc_estimate",
    "auroc",
    "auroc_estimate",
    "binary_scores",
    "brier",
    "brier_estimate",
    "log_loss",
    "paired_difference",
    "patient_bootstrap",
    "prevalence",
    "resample",
]
