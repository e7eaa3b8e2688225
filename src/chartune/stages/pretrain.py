"""Domain-adaptive pretraining (P1, §3.1): a language model reads notes; an adapter learns their language.

Corpus ─tokenize, cut─▶ blocks ─LoRA on a frozen base─▶ adapter      perplexity on held-out patients, before and after

A decoder predicts the next token; an encoder guesses masked ones, with the head that it was pretrained with.
"""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Annotated, Any, ClassVar, Final, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from chartune.adapters.adapter import write_adapter
from chartune.adapters.lora import LoRA
from chartune.adapters.method import AnyMethod, Method
from chartune.adapters.stack import Attached, Fresh, Stack
from chartune.batches.budgets import rows_within
from chartune.batches.masking import Masking
from chartune.batches.tokenize import save_tokenizer
from chartune.config import Added, Unhashed, fingerprint
from chartune.log import EVENTS, EventLog, say
from chartune.models.backbone import LocalBackbone
from chartune.models.compiled import compiled
from chartune.models.families import Family
from chartune.models.load import Body, must_be_language_model, parameters_of
from chartune.models.numerics import Resolved
from chartune.models.readers import LanguageModel
from chartune.models.tokenizer import tokenizer_as_given
from chartune.quantities import Duration
from chartune.runs.efficiency import Efficiency
from chartune.runs.record import ADAPTER
from chartune.runs.run import Run
from chartune.sources.plain_texts import plain_texts
from chartune.stages.assembly import Model, assemble, bare_body
from chartune.stages.base import lm_evaluation, lm_objective
from chartune.stages.cutting import Cutting, least_blocks, must_suit
from chartune.stages.efficiency import trained
from chartune.stages.facts import backbone_facts, source_facts
from chartune.stages.inputs import Inputs, inputs_of
from chartune.stages.kept_readings import base_nll
from chartune.stages.model_stage import HeadSpec, ModelStage
from chartune.stages.perplexity import (
    GENERAL,
    TRAIN,
    Measurement,
    Texts,
    last_batch,
    unigram_nats,
    write_sums,
)
from chartune.stages.stage import Outcome, Planned, Tested, Work, perform
from chartune.stages.texts import corpus_texts, general_texts, must_have_documents, placebo_texts
from chartune.store import Artefact, Store
from chartune.tasks.dataset import Dataset, read_dataset
from chartune.tasks.prepare import corpus_of, prepare
from chartune.train.loop import fit
from chartune.train.optimizer import Optimisation, Stopping
from chartune.train.plan import schedule_of
from chartune.train.training import Fitted, Training

REVISION: Final = 4
PLACEBO: Final = ", a placebo"


class Pretrain(ModelStage):
    """Adapt a language model to the notes of a source: a decoder, or an encoder that has kept its masked one."""

    kind: Literal["pretrain"] = "pretrain"
    method: AnyMethod = LoRA()
    """How the base is adapted."""
    max_seq_len: int = Field(128, gt=1)
    """Tokens of a block; of an encoder at most of a row."""
    notes: Literal["packed", "first-tokens"] = "packed"
    """`packed`: whole notes, one after the other, or for an encoder, which reads both ways, cut into rows of their own;
    `first-tokens`: the first `max_seq_len` tokens of each, as published, of a discharge summary little more than its
    header."""
    masking: Annotated[Masking, Added()] = Masking()
    """Which tokens an encoder guesses; a decoder predicts the next one."""
    optimisation: Optimisation = Optimisation(learning_rate=3e-3, batch_size=8, duration=Duration.epochs(1))
    """How weights are moved."""
    stopping: Stopping = Stopping(evaluations_per_epoch=4)
    """When to evaluate on the validation split."""
    validation_blocks: int = Field(96, gt=0)
    """Blocks of the validation split that are evaluated during training, evenly spaced."""
    held_out_blocks: int | None = Field(None, gt=0)
    """Blocks of each held-out split that are scored at the end, evenly spaced; None: all."""
    train_blocks: Annotated[int, Added()] = Field(32, gt=0)
    """Blocks of the training split that are scored at the end, evenly spaced: the train perplexity."""
    general_text: Annotated[Path | None, Unhashed()] = None
    """Plain text (a file, or a folder of .txt and .txt.gz) that is read before and after: how much of general language
    was forgotten. Its content counts, not its place; null: none."""
    general_blocks: Annotated[int, Added()] = Field(96, gt=0)
    """Blocks of the general text that are scored, evenly spaced."""
    text: Annotated[Literal["notes", "general"], Added()] = "notes"
    """What is learnt from. `general`: a placebo, the general text in place of the training notes, for as many tokens;
    a tenth of it is held out to choose by, and what is measured on notes stays."""

    @model_validator(mode="after")
    def _a_placebo_has_its_text(self) -> Self:
        if self.text == "general" and self.general_text is None:
            raise ValueError("`text: general` learns from general text, so that `general_text` must name some")
        return self

    needs_lm_head: ClassVar[bool] = True

    def must_suit(self, backbone: LocalBackbone) -> None:
        """Refuse a base model without a language-model head, and settings that are for the other kind."""
        must_be_language_model(backbone)
        if backbone.weights:
            cutting_of(self, backbone)
        else:
            must_suit(self.masking, backbone)

    def layers(self) -> Stack:
        """What is attached to the base."""
        return Stack(layers=(Fresh(method=self.method),))

    def uncompiled(self) -> str:
        """Blocks of text have one length."""
        return ""

    def tokens(self, dataset: Dataset) -> int:
        """At least so many, by what the corpus counts."""
        counts, choice = corpus_of(dataset).counts.get("train", {}), self.optimisation
        blocks = least_blocks(counts, self.max_seq_len, whole=self.notes == "packed")
        return schedule_of(choice, self.stopping, blocks).steps * choice.batch_size * self.max_seq_len

    def reader(self, body: Body, family: Family, spec: HeadSpec | None) -> LanguageModel:
        """The base's own language-model head."""
        return body.language_model(body.module)


def pretrain(stage: Pretrain, store: Store, planned: Planned = None, tested: Tested = None) -> Run:
    """Adapt, or find it done. Scores: token-weighted perplexity on the test patients before and after, and a unigram's.

    Where the test split is left out these are of the validation patients. Beside it bits per byte, the perplexity on a
    sample of the training blocks, and that on general text before and after, where there is some. Of an encoder all
    are `masked_lm_perplexity`, of the tokens that it guesses, and there are no bits per byte.

    Raises:
        AdapterError: the base model has no language-model head, or an encoder no mask token.
        ConfigError: masks are asked of a decoder.
        DataError: the corpus has no documents to learn from or to be tested on, or the general text cannot be read.
    """
    data = prepare(stage.data, store)
    dataset = read_dataset(data)
    must_have_documents(data)  # before a base is made
    inputs = inputs_of(stage, store, dataset)
    backbone, cutting = inputs.base, cutting_of(stage, inputs.base)
    for warning in (*inputs.warnings(pads=cutting.masker is not None), *inputs.circular(dataset.source)):
        say(f"warning: {warning}")
    return perform(
        stage, store, data, kind="pretrain", revision=REVISION,
        name=stage.name or f"{stage.method.title()} on {backbone.name}{PLACEBO if stage.text == GENERAL else ''}",
        parts=parts_of(stage, backbone, inputs.resolved), resolved=inputs.resolved,
        facts={"source": source_facts(dataset), "task": None,
               "backbone": backbone_facts(backbone, parameters_of(backbone)), "stack": [_layer(stage.method)],
               "parents": [], "max_seq_len": stage.max_seq_len, "notes": stage.notes, **cutting.facts(),
               "texts": corpus_of(dataset).counts["train"]["documents"],
               **({"text": stage.text} if stage.text == GENERAL else {})},
        planned=planned, tested=tested, work=lambda work: _adapt(stage, data, inputs, cutting, work),
    )  # fmt: skip


def parts_of(stage: Pretrain, backbone: LocalBackbone, resolved: Resolved) -> dict[str, Any]:
    """What determines a run beside stage and data. Raises DataError: the general text cannot be read."""
    parts = {"backbone": backbone.content_hash, "numerics": resolved.hashable()}
    if stage.general_text is None:
        return parts
    return {**parts, GENERAL: fingerprint(GENERAL, 1, {"texts": plain_texts(stage.general_text)})}


def cutting_of(stage: Pretrain, backbone: LocalBackbone) -> Cutting:
    """How notes are cut for a base model. Raises as `Cutting.of`."""
    return Cutting.of(backbone, stage.max_seq_len, stage.masking, whole=stage.notes == "packed")


def _adapt(stage: Pretrain, data: Artefact, inputs: Inputs, cutting: Cutting, work: Work) -> Outcome:
    backbone, last = inputs.base, stage.scored[-1]
    texts = texts_of(stage, data, cutting, work.store)
    measured = measurement(stage, data, scored_texts(stage, texts, cutting), inputs.resolved)
    body = bare_body(stage, inputs)
    bare = stage.reader(body, backbone.family, None).to(inputs.resolved.device)
    once = partial(base_nll, backbone=backbone, store=work.store, data=data.fingerprint)
    measured.read(bare, "before", last, GENERAL, nll=once)
    assembled = assemble(stage, inputs, body)
    learning, every = assembled.learning, assembled.parameters
    model, fitted = _fitted(stage, assembled, texts, cutting, inputs, work)
    _keep(stage, assembled.attached, body, backbone, work)
    measured.read(model, "after", *measured.scored)
    measured.add(last, "unigram", unigram_of(texts, measured.scored[last], backbone))
    scores, sums = measured.scores()
    write_sums(work.folder, sums)
    scores[TRAIN] |= last_batch(work.folder / EVENTS) if measured.batch_size else {}
    facts = {"stopped_early": fitted.stopped_early, **fitted.state.facts}
    return Outcome(
        scores, learning, every, fitted.state.tokens, fitted.state, facts, Efficiency(**trained(fitted.state, inputs))
    )


def _fitted(
    stage: Pretrain, assembled: Model, texts: Mapping[str, Texts], cutting: Cutting, inputs: Inputs, work: Work
) -> tuple[LanguageModel, Fitted]:
    """The language model with the best weights, and how training went."""
    model, resolved = assembled.reader, inputs.resolved
    chosen_by = texts[GENERAL if stage.text == GENERAL else "validation"].blocks
    watched = cutting.scored(chosen_by.some(stage.validation_blocks))
    if not isinstance(model, LanguageModel):
        raise AssertionError("pretraining trains a language model")
    training = Training(
        lm_objective(model, texts[TRAIN].blocks, cutting.masker, stage.seed),
        stage.optimisation, stage.stopping, stage.seed, resolved.precision,
        work.checkpoints, EventLog(work.folder / EVENTS), lambda: lm_evaluation(model, watched, resolved),
        title=f"pretrain {stage.name or stage.method.title()}", attached=assembled.attached,
        budget=inputs.budget(stage.optimisation, work.most_tokens),
        data_parallel=resolved.data_parallel,
    )  # fmt: skip
    rows = min(stage.optimisation.batch_size, rows_within(training.budget, stage.max_seq_len))
    with compiled(assembled.body.module, resolved, rows, work.store.root):
        fitted = fit(training)
    assembled.attached.must_hold()
    return model, fitted


def texts_of(stage: Pretrain, data: Artefact, cutting: Cutting, store: Store) -> dict[str, Texts]:
    """What a stage reads, in blocks: the corpus by split, general text if there is some; a placebo's in place of notes.

    The test split is read by those alone that score it.

    Raises:
        DataError: a split, or the general text, has no token that could be predicted.
    """
    texts = corpus_texts(data, cutting, store, (TRAIN, *stage.scored))
    if stage.general_text is None:
        return texts
    if stage.text == GENERAL:
        learnt, held = placebo_texts(stage.general_text, cutting, texts[TRAIN])
        return {**texts, TRAIN: learnt, GENERAL: held}
    return {**texts, GENERAL: general_texts(stage.general_text, cutting)}


def scored_texts(stage: Pretrain, texts: Mapping[str, Texts], cutting: Cutting) -> dict[str, Texts]:
    """What is scored, in the order of the scores: held-out splits, a sample of the training split, general text."""
    held = {split: texts[split].some(stage.held_out_blocks) for split in reversed(stage.scored)}
    sampled = {**held, TRAIN: texts[TRAIN].some(stage.train_blocks)}
    if stage.general_text is not None:
        sampled[GENERAL] = texts[GENERAL].some(stage.general_blocks)
    return {part: each.read_as(cutting.scored(each.blocks)) for part, each in sampled.items()}


def measurement(stage: Pretrain, data: Artefact, scored: Mapping[str, Texts], numerics: Resolved) -> Measurement:
    """What is to be scored; next tokens as published, too, where the data follow the papers' code."""
    published = read_dataset(data).as_coded and not any(each.masked for each in scored.values())
    return Measurement(scored, numerics, stage.optimisation.batch_size if published else None)


def unigram_of(texts: dict[str, Texts], held: Texts, backbone: LocalBackbone) -> NDArray[np.float64]:
    """Nats of held-out tokens by the frequencies of the training tokens: [N]."""
    return unigram_nats(texts[TRAIN].blocks.targets(), held.blocks.targets(), int(backbone.config["vocab_size"]))


def _layer(method: Method) -> dict[str, Any]:
    dumped, titled = method.model_dump(mode="json"), method.title()
    return {"state": "fresh", "method": dumped, "titled": titled, "run": None, "sha256": None}


def _keep(stage: Pretrain, attached: Attached, body: Body, backbone: LocalBackbone, work: Work) -> None:
    if not attached.methods:
        body.save(work.folder / "model")
        save_tokenizer(tokenizer_as_given(backbone), work.folder / "model")
        return
    lineage: dict[str, Any] = {"run": work.fingerprint, "stage": "pretrain", "state": "fresh"}
    write_adapter(work.folder / ADAPTER, attached.tensors(0), attached.methods[0], backbone, lineage)
