"""Final: a run that has left out the test split scores it now, with the weights that it has, as a run of its own.

run without test scores ─copied─▶ weights, events ─┐
                        └─▶ validation scores ─────┴─▶ + scores of the test split ─▶ the run of the same stage with them

What comes out is what training with the test split would have given, bit for bit on the same machine. TF-IDF is fitted
again instead: that takes seconds, of very many labels minutes.
"""

import shutil
from functools import partial
from pathlib import Path
from typing import Any, Final

import polars as pl

from chartune.adapters.fusion import kept_stack
from chartune.adapters.stack import attach
from chartune.made_up import oracle_of
from chartune.models.numerics import Resolved
from chartune.models.readers import LanguageModel
from chartune.notes.text_pair import read_texts
from chartune.quantities import Estimate
from chartune.runs.nll import NLL
from chartune.runs.record import RunRecord
from chartune.runs.run import PREDICTIONS, Run
from chartune.stages.assembly import bare_body
from chartune.stages.finetune import Finetune
from chartune.stages.inputs import inputs_of
from chartune.stages.kept_readings import base_nll
from chartune.stages.loading import inputs_of_run, load
from chartune.stages.marking import split_examples, word_counts
from chartune.stages.perplexity import AFTER, write_sums
from chartune.stages.pretrain import Pretrain, cutting_of, measurement, texts_of, unigram_of
from chartune.stages.scoring import score, write_predictions
from chartune.stages.stage import Outcome, Work
from chartune.stages.table import TaskTable, read_table
from chartune.tasks.dataset import read_dataset
from chartune.tasks.frames import read_frame, write_frame
from chartune.tasks.prepare import prepare
from chartune.train.checkpoint import State

OWN: Final = frozenset({
    "stage.yaml", "run.json", "environment.json", "scores.json", "cost.json", "MODEL_CARD.md", "manifest.json",
    "per_label.parquet", NLL, PREDICTIONS,
})  # fmt: skip
"""Files that every run writes for itself; the others are weights and what was measured while they learnt."""


def finetuned_tested(stage: Finetune, run: Run, work: Work) -> Outcome:
    """The test split of a task, scored by the weights of a run that has left it out.

    Args:
        stage: that scores it.
        run: of the same stage without it.
        work: where the result goes.
    """
    _copy(run, work.folder)
    data, about = prepare(stage.data, work.store), run.about
    table = read_table(data, stage.task, for_model=True)
    scorer = load(run, work.store)
    reading = scorer.read(read_texts(table.frame[table.rows("test")]))
    decided = {"test": reading.decided}
    write_predictions(work.folder, table, decided)
    _before(run.predictions(), work.folder / PREDICTIONS)
    oracle = oracle_of(stage.data.source, table.task, table.recipe)
    tested = score(table, decided, work.folder, words=reading.words_of("test"), oracle=oracle)
    return _outcome(run, {"validation": run.scores["validation"], **tested}, {
        "truncated_fraction": float(reading.truncated.mean()), "pooling": about.pooling, "texts": about.texts,
        "contributions": about.contributions, **_words(stage, table, about, work),
        "calibration": about.calibration and about.calibration.to_json(), "uncalibrated": about.uncalibrated,
    })  # fmt: skip


def _words(stage: Finetune, table: TaskTable, about: RunRecord, work: Work) -> dict[str, Any]:
    """The entry `words` with that of the test split; none of whole texts."""
    if about.words is None:
        return {}
    examples = split_examples(
        table, ("test",), inputs_of(stage, work.store).base, work.store, about.data or "",
        max_seq_len=stage.max_seq_len, long=stage.long, balance=stage.balance,
    )  # fmt: skip
    return {"words": {**about.words, **word_counts(table, examples)["words"]}}


def pretrained_tested(stage: Pretrain, run: Run, work: Work) -> Outcome:
    """Perplexity on the test patients before and after, by the weights of a run that has left them out; as above."""
    _copy(run, work.folder)
    data = prepare(stage.data, work.store)
    first = inputs_of(stage, work.store, read_dataset(data))
    cutting = cutting_of(stage, first.base)
    texts = texts_of(stage, data, cutting, work.store)
    held = texts["test"].some(stage.held_out_blocks)
    held = held.read_as(cutting.scored(held.blocks))
    measured = measurement(stage, data, {"test": held}, first.resolved)
    bare = stage.reader(bare_body(stage, first), first.base.family, None).to(first.resolved.device)
    once = partial(base_nll, backbone=first.base, store=work.store, data=data.fingerprint)
    measured.read(bare, "before", "test", nll=once)
    measured.read(_trained(stage, run, work, first.resolved), "after", "test")
    measured.add("test", "unigram", unigram_of(texts, held, first.base))
    tested, sums = measured.scores()
    write_sums(work.folder, sums, run.nll())
    kept = {split: scores for split, scores in run.scores.items() if split != "validation"}
    validated = {name: score for name, score in run.scores["validation"].items() if name in AFTER}
    return _outcome(run, {**tested, "validation": validated, **kept}, {})


def _trained(stage: Pretrain, run: Run, work: Work, resolved: Resolved) -> LanguageModel:
    """The language model with the weights that the run keeps."""
    kept = inputs_of_run(run, stage, work.store)
    body = bare_body(stage, kept)
    if kept.adapters:
        attach(kept_stack(kept.adapters), body.module, kept.adapters, stage.seed)
    return stage.reader(body, kept.base.family, None).to(resolved.device)


def _copy(run: Run, folder: Path) -> None:
    """All files of a run but those that each writes for itself, checked to be as signed."""
    for name in run.artefact.manifest().files:
        if name not in OWN:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(run.artefact.file(name), folder / name)


def _before(earlier: pl.DataFrame, file: Path) -> None:
    """Put the predictions that are there already before those in a file."""
    write_frame(pl.concat([earlier, read_frame(file)]), file)


def _outcome(run: Run, scores: dict[str, dict[str, Estimate]], facts: dict[str, Any]) -> Outcome:
    """Scores of both splits, with cost and facts of the training."""
    about, cost = run.about, run.cost
    state = State(earlier_seconds=cost.seconds or 0.0, train_seconds=cost.train_seconds or 0.0,
                  resumed=about.resumed or 0)  # fmt: skip
    kept = {"stopped_early": about.stopped_early, "best_step": about.best_step,
            "micro_batch_tokens": about.micro_batch_tokens}  # fmt: skip
    return Outcome(scores, cost.trainable_parameters, cost.total_parameters, cost.tokens, state, {**kept, **facts})
