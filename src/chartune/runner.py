"""The one verb that does any stage, planned first."""

from typing import Any, assert_never

from chartune.errors import ChartuneError
from chartune.launched import processes
from chartune.log import say
from chartune.planning.plan import plan, planned_facts
from chartune.runs.run import Run
from chartune.stages.ensemble import Ensemble, ensemble
from chartune.stages.final import finetuned_tested, pretrained_tested
from chartune.stages.finetune import Finetune, finetune
from chartune.stages.pretrain import Pretrain, pretrain
from chartune.stages.prior import Prior, prior
from chartune.stages.prompted import Prompted, prompted
from chartune.stages.structured import Structured, structured
from chartune.stages.tfidf import Tfidf, tfidf
from chartune.store import Store
from chartune.train.processes import done_together
from chartune.train.soundness import must_end_together

OfTask = Finetune | Tfidf | Structured | Prior | Ensemble | Prompted
AnyStage = Pretrain | OfTask


def run(stage: AnyStage, store: Store) -> Run:
    """Do a stage, or find it done: the same question finds the same answer. What it was planned to cost is kept.

    Started as several processes, as by torchrun, all of them do the training.
    """
    if processes() > 1 and isinstance(stage, Pretrain | Finetune):
        must_end_together(stage.optimisation.most_seconds, processes())
        return done_together(lambda: _run(stage, store))
    return _run(stage, store)


def _run(stage: AnyStage, store: Store) -> Run:
    match stage:
        case Pretrain():
            return pretrain(
                stage, store, lambda: _planned(stage, store), lambda run, work: pretrained_tested(stage, run, work)
            )
        case Finetune():
            return finetune(
                stage, store, lambda: _planned(stage, store), lambda run, work: finetuned_tested(stage, run, work)
            )
        case Tfidf():
            return tfidf(stage, store)
        case Structured():
            return structured(stage, store)
        case Prior():
            return prior(stage, store)
        case Ensemble():
            return ensemble(stage, store)
        case Prompted():
            return prompted(stage, store)
        case _:
            assert_never(stage)


def _planned(stage: Pretrain | Finetune, store: Store) -> dict[str, Any]:
    """What the stage is expected to cost; nothing where it cannot be rehearsed: a plan must not stop a training."""
    try:
        made = plan(stage, store)
    except (ChartuneError, RuntimeError) as error:  # an operator that cannot tell shapes raises one
        say(f"not planned ({type(error).__name__}); the run goes on without")
        return {}
    if made.micro_batch_note:
        say(made.micro_batch_note)
    return planned_facts(made)
