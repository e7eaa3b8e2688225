"""chartune tunes language models on clinical charts, parameter-efficiently, on hardware that a hospital owns.

    raw CSV.gz ─load─▶ Records ─▶ TaskData, Corpus ─tokenize─▶ Batches ─run(Stage)─▶ Run ─▶ Report

The names below are the face; everything else is found by walking in. They are imported on first use, so that asking
for one does not load torch for another. Importing chartune switches hub access and telemetry off unless the
environment already says otherwise: the libraries read these switches when they are imported.
"""

import os
from importlib import import_module
from typing import Any

__version__ = "0.1.0"

OFFLINE = {
    "HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1", "HF_HUB_DISABLE_TELEMETRY": "1", "DO_NOT_TRACK": "1",
    "HF_HUB_DISABLE_IMPLICIT_TOKEN": "1", "HF_HUB_DISABLE_UPDATE_CHECK": "1", "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "MLFLOW_DISABLE_TELEMETRY": "true", "TOKENIZERS_PARALLELISM": "true", "TRANSFORMERS_VERBOSITY": "error",
}  # fmt: skip
"""Environment switches that keep the libraries quiet and at home."""

WAITING = {"GOMP_SPINCOUNT": "1000"}
"""How long a thread that has nothing to do turns round before it sleeps: beside one other busy process OpenMP's default
halves the rate of two threads. Read when torch is loaded; a policy of the user's own stays."""

for _name, _value in OFFLINE.items():
    os.environ.setdefault(_name, _value)
if "OMP_WAIT_POLICY" not in os.environ:
    for _name, _value in WAITING.items():
        os.environ.setdefault(_name, _value)

_FACE = {
    "Backbone": "chartune.models.backbone",
    "ChartuneError": "chartune.errors",
    "Diagnoses": "chartune.tasks.diagnoses",
    "Duration": "chartune.quantities",
    "Ensemble": "chartune.stages.ensemble",
    "Estimate": "chartune.quantities",
    "Evaluate": "chartune.stages.evaluating",
    "Finetune": "chartune.stages.finetune",
    "Fresh": "chartune.adapters.stack",
    "Frozen": "chartune.adapters.stack",
    "LoRA": "chartune.adapters.lora",
    "Merged": "chartune.adapters.stack",
    "Mimic3": "chartune.sources.mimic3",
    "Mimic4": "chartune.sources.mimic4",
    "Mortality": "chartune.tasks.mortality",
    "Optimisation": "chartune.train.optimizer",
    "Page": "chartune.report.page",
    "Preparation": "chartune.tasks.prepare",
    "Pretrain": "chartune.stages.pretrain",
    "Prior": "chartune.stages.prior",
    "Prompted": "chartune.stages.prompted",
    "Run": "chartune.runs.run",
    "Stack": "chartune.adapters.stack",
    "Store": "chartune.store",
    "Study": "chartune.studies.study",
    "Structured": "chartune.stages.structured",
    "Tabular": "chartune.sources.tabular",
    "Tfidf": "chartune.stages.tfidf",
    "Trainable": "chartune.adapters.stack",
    "evaluate": "chartune.stages.evaluating",
    "load": "chartune.stages.loading",
    "make_hospital": "chartune.made_up",
    "own_predictions": "chartune.prediction.own",
    "page_of_runs": "chartune.report.page",
    "predict": "chartune.stages.predicting",
    "prepare": "chartune.tasks.prepare_any",
    "run": "chartune.runner",
}

__all__ = sorted(_FACE)


def __dir__() -> list[str]:
    return sorted({*globals(), *_FACE})


def __getattr__(name: str) -> Any:
    if name in _FACE:
        return getattr(import_module(_FACE[name]), name)
    raise AttributeError(f"module 'chartune' has no attribute {name!r}")
