"""The stages, one line each."""

from chartune.config import Config
from chartune.stages.ensemble import Ensemble
from chartune.stages.finetune import Finetune
from chartune.stages.pretrain import Pretrain
from chartune.stages.prior import Prior
from chartune.stages.prompted import Prompted
from chartune.stages.structured import Structured
from chartune.stages.tfidf import Tfidf

stages: dict[str, type[Config]] = {
    "pretrain": Pretrain, "finetune": Finetune, "tfidf": Tfidf, "structured": Structured, "prior": Prior,
    "ensemble": Ensemble, "prompted": Prompted,
}  # fmt: skip
