"""Domain-adaptive pretraining (P1, §3.1): a causal language model reads notes; an adapter learns their language.

Corpus ─tokenize, pack─▶ blocks ─LoRA on a frozen base─▶ adapter     perplexity on held-out patients, before and after
"""

from typing import Any, ClassVar, Final, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray
from pydantic import Field

from chartune.adapters.adapter import write_adapter
from chartune.adapters.lora import LoRA
from chartune.adapters.method import AnyMethod, Method
from chartune.adapters.stack import Attached, Fresh, Stack
from chartune.batches.pack import Blocks, first_tokens, pack
from chartune.batches.tokenize import encode_once, load_tokenizer, save_tokenizer
from chartune.disclosure import shown
from chartune.errors import DataError
from chartune.log import EventLog
from chartune.models.backbone import LocalBackbone
from chartune.models.families import Family
from chartune.models.load import Body, Resolved, parameters_of
from chartune.models.readers import LanguageModel
from chartune.models.tokenizer import tokenizer_as_given
from chartune.prediction.predictions import total_nll
from chartune.quantities import Duration, Estimate
from chartune.runs.record import ADAPTER
from chartune.runs.run import Run
from chartune.stages.assembly import assemble, bare_body
from chartune.stages.base import lm_evaluation, lm_objective
from chartune.stages.facts import backbone_facts, source_facts
from chartune.stages.inputs import Inputs, inputs_of
from chartune.stages.model_stage import HeadSpec, ModelStage
from chartune.stages.stage import Outcome, Planned, Tested, Work, perform
from chartune.store import Artefact, Store
from chartune.tasks.dataset import read_dataset
from chartune.tasks.prepare import corpus_of, prepare, read_corpus
from chartune.tasks.soundness import who_left
from chartune.train.loop import Training, fit
from chartune.train.optimizer import Optimisation, Stopping

REVISION: Final = 2
SPLITS: Final = ("train", "validation", "test")


class Pretrain(ModelStage):
    """Adapt a causal language model to the notes of a source."""

    kind: Literal["pretrain"] = "pretrain"
    method: AnyMethod = LoRA()
    """How the base is adapted."""
    max_seq_len: int = Field(128, gt=1)
    """Tokens of a block."""
    notes: Literal["packed", "first-tokens"] = "packed"
    """`packed`: whole notes, one after the other; `first-tokens`: the first `max_seq_len` tokens of each, as published,
    of a discharge summary little more than its header."""
    optimisation: Optimisation = Optimisation(learning_rate=3e-3, batch_size=8, duration=Duration.epochs(1))
    """How weights are moved."""
    stopping: Stopping = Stopping(evaluations_per_epoch=4)
    """When to evaluate on the validation split."""
    validation_blocks: int = Field(96, gt=0)
    """Blocks of the validation split that are evaluated during training, evenly spaced."""
    held_out_blocks: int | None = Field(None, gt=0)
    """Blocks of each held-out split that are scored at the end, evenly spaced; None: all."""

    needs_lm_head: ClassVar[bool] = True

    def layers(self) -> Stack:
        """What is attached to the base."""
        return Stack(layers=(Fresh(method=self.method),))

    def reader(self, body: Body, family: Family, spec: HeadSpec | None) -> LanguageModel:
        """The base's own language-model head."""
        return body.language_model(body.module)


def pretrain(stage: Pretrain, store: Store, planned: Planned = None, tested: Tested = None) -> Run:
    """Adapt, or find it done. Scores: token-weighted perplexity on the test patients before and after, and a unigram's.

    Where the test split is left out these are of the validation patients.

    Raises:
        AdapterError: the base model does not read left to right.
        DataError: the corpus has no documents to learn from or to be tested on.
    """
    data = prepare(stage.data, store)
    dataset = read_dataset(data)
    must_have_documents(data)  # before a base is made
    inputs = inputs_of(stage, store)
    backbone = inputs.base
    return perform(
        stage, store, data, kind="pretrain", revision=REVISION,
        name=stage.name or f"{stage.method.title()} on {backbone.name}",
        parts=parts_of(backbone, inputs.resolved), resolved=inputs.resolved,
        facts={"source": source_facts(dataset), "task": None,
               "backbone": backbone_facts(backbone, parameters_of(backbone)), "stack": [_layer(stage.method)],
               "parents": [], "max_seq_len": stage.max_seq_len, "notes": stage.notes,
               "texts": corpus_of(dataset).counts["train"]["documents"]},
        planned=planned, tested=tested, work=lambda work: _adapt(stage, data, inputs, work),
    )  # fmt: skip


def parts_of(backbone: LocalBackbone, resolved: Resolved) -> dict[str, Any]:
    """What determines a run beside stage and data."""
    return {"backbone": backbone.content_hash, "numerics": resolved.hashable()}


def _adapt(stage: Pretrain, data: Artefact, inputs: Inputs, work: Work) -> Outcome:
    backbone, resolved = inputs.base, inputs.resolved
    blocks = corpus_blocks(stage, data, backbone, work.store)
    held = {split: some_blocks(blocks[split], stage.held_out_blocks) for split in reversed(stage.scored)}
    last = stage.scored[-1]
    body = bare_body(stage, inputs)
    bare = stage.reader(body, backbone.family, None).to(resolved.device)
    before = perplexity(bare, held[last], resolved)
    assembled = assemble(stage, inputs, body)
    attached, model = assembled.attached, assembled.reader
    if not isinstance(model, LanguageModel):
        raise AssertionError("pretraining trains a language model")
    learning, every = assembled.learning, assembled.parameters
    watched = some_blocks(blocks["validation"], stage.validation_blocks)
    fitted = fit(Training(
        lm_objective(model, blocks["train"]), stage.optimisation, stage.stopping, stage.seed, resolved.precision,
        work.checkpoints, EventLog(work.folder / "events.jsonl"),
        lambda: lm_evaluation(model, watched, resolved.precision),
        title=f"pretrain {stage.name or stage.method.title()}", attached=attached,
    ))  # fmt: skip
    attached.keep_promises()
    _keep(stage, attached, body, backbone, work)
    unigram = unigram_perplexity(blocks["train"].targets(), held[last].targets(), int(backbone.config["vocab_size"]))
    scores = {split: {"perplexity": perplexity(model, part, resolved)} for split, part in held.items()}
    scores[last] = {"perplexity_before": before, **scores[last], "unigram_perplexity": unigram}
    facts = {"stopped_early": fitted.stopped_early, "best_step": fitted.state.best_step}
    return Outcome(scores, learning, every, fitted.state.tokens, fitted.state, facts)


def must_have_documents(data: Artefact) -> None:
    """Refuse data without a corpus, or whose corpus leaves a split empty.

    Raises:
        DataError: with the filter that left nothing, or took most.
    """
    entry, splits = corpus_of(read_dataset(data)), read_corpus(data)["split"]
    for split in SPLITS:
        if not (splits == split).any():
            why = who_left(entry) or "No filter took any."
            raise DataError(
                f"the corpus must have documents in every split, but {split} has none of "
                f"{shown(len(splits), exact=False)}. {why[:1].upper()}{why[1:]} Every filter: `chartune show "
                f"{data.fingerprint}`."
            )


def corpus_blocks(stage: Pretrain, data: Artefact, backbone: LocalBackbone, store: Store) -> dict[str, Blocks]:
    """The corpus in blocks, by split."""
    corpus, tokenizer = read_corpus(data), load_tokenizer(backbone)
    whole = stage.notes == "packed"
    most, made = (None, pack) if whole else (stage.max_seq_len, first_tokens)
    blocks = {}
    for split in SPLITS:
        texts = corpus.filter(pl.col("split") == split).sort("note_id").get_column("text").to_list()
        encoded = encode_once(texts, backbone, most, store, data=f"{data.fingerprint}/corpus/{split}", special=False)
        blocks[split] = made(encoded, tokenizer, stage.max_seq_len)
    return blocks


def unigram_perplexity(train: NDArray[np.int32], held: NDArray[np.int32], vocabulary: int) -> Estimate:
    """Perplexity of token frequencies with add-one smoothing: what is reached without reading at all.

    Args:
        train: tokens to count, [N].
        held: tokens to predict, [M].
        vocabulary: V.
    """
    counts = np.bincount(train, minlength=vocabulary) + 1.0
    nats = -np.log(counts / counts.sum())[held].mean()
    return Estimate(float(np.exp(nats)), n=len(held))


def _layer(method: Method) -> dict[str, Any]:
    return {
        "state": "fresh",
        "method": method.model_dump(mode="json"),
        "titled": method.title(),
        "run": None,
        "sha256": None,
    }


def perplexity(model: LanguageModel, blocks: Blocks, resolved: Resolved) -> Estimate:
    """Of blocks of notes, per predicted token."""
    nats, tokens = total_nll(model, blocks, resolved.precision)
    return Estimate(float(np.exp(nats / max(1, tokens))), n=tokens)


def some_blocks(blocks: Blocks, count: int | None) -> Blocks:
    """So many of the blocks, evenly spaced; None: all."""
    if count is None or count >= len(blocks):
        return blocks
    chosen = np.unique(np.linspace(0, len(blocks) - 1, count).astype(np.int64))
    return Blocks(blocks.ids[chosen], blocks.positions[chosen], blocks.predicts[chosen])


def _keep(stage: Pretrain, attached: Attached, body: Body, backbone: LocalBackbone, work: Work) -> None:
    if not attached.methods:
        body.save(work.folder / "model")
        save_tokenizer(tokenizer_as_given(backbone), work.folder / "model")
        return
    lineage: dict[str, Any] = {"run": work.fingerprint, "stage": "pretrain", "state": "fresh"}
    write_adapter(work.folder / ADAPTER, attached.tensors(0), attached.methods[0], backbone, lineage)
