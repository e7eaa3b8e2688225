"""Fine-tuning: a Stack on a Task (P1, §3.2), one loop for every variant.

    examples ─tokenize─▶ body + stack ─pool─▶ head ─▶ the score on validation stops training; test is scored once

Where nothing below the head learns, the body reads each text once and the head is trained on the vectors it left.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Annotated, Any, Final, Literal, Self, cast

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from chartune.adapters.stack import Fresh, Stack
from chartune.batches.collate import Examples
from chartune.batches.long_texts import FIRST, AnyLong, Windows
from chartune.config import Added
from chartune.errors import ConfigError
from chartune.log import EVENTS, EventLog, say
from chartune.made_up import oracle_of
from chartune.models.backbone import LocalBackbone
from chartune.models.families import Family
from chartune.models.heads import Head
from chartune.models.load import Body, parameters_of
from chartune.models.numerics import Resolved
from chartune.models.readers import Classifier, FeatureReader
from chartune.models.tokenizer import padding_stand_in
from chartune.prediction.predictions import head_logits, logits_of
from chartune.runs.run import Run
from chartune.stages.assembly import Model, assemble, bare_body
from chartune.stages.balancing import Balancing
from chartune.stages.contributions import contributions, probe_of
from chartune.stages.efficiency import measured
from chartune.stages.facts import backbone_facts, layer_facts, source_facts, task_facts
from chartune.stages.few_shot import Few
from chartune.stages.inputs import Inputs, content_of, inputs_of
from chartune.stages.kept_readings import Initial
from chartune.stages.kept_weights import keep_weights
from chartune.stages.marking import POOLED, decided_of, head_spec, learnt_rows, split_examples, word_counts
from chartune.stages.model_stage import HeadSpec, ModelStage
from chartune.stages.recalibrating import Recalibrated, recalibration
from chartune.stages.scoring import score, validated, write_predictions
from chartune.stages.stage import Outcome, Planned, Tested, Work, perform
from chartune.stages.table import TaskTable, read_table
from chartune.store import Artefact, Store
from chartune.tasks.dataset import read_dataset
from chartune.tasks.prepare import prepare
from chartune.train.loop import fit
from chartune.train.objective import Evaluation, Objective
from chartune.train.optimizer import Optimisation, Stopping
from chartune.train.probe import probe
from chartune.train.training import Fitted, Training, begin

REVISION: Final = 5


class Finetune(ModelStage, Recalibrated):
    """Train a stack and a head on a task."""

    kind: Literal["finetune"] = "finetune"
    task: str = ""
    """Which of the prepared tasks; the beginning of a name will do; empty: the first."""
    stack: Stack = Stack(layers=(Fresh(),))
    """What is attached to the base, by default one fresh LoRA; `layers: []`: only the head is trained."""
    head: Head = Head()
    """How hidden states become logits."""
    long: Annotated[AnyLong, Added()] = FIRST
    """What is read of a text with more than `max_seq_len` tokens."""
    bidirectional: Annotated[bool, Added()] = False
    """Let a decoder's tokens see those behind them, too; what it then makes of a text must be learnt. An encoder reads
    both ways as it is."""
    balance: Balancing = "none"
    """`classes`: each class weighs N/(K·n) in the loss, as P1 did; `classes-if-single`: but where many labels apply;
    `logit-adjusted`: by the log-prior. Probabilities stay those of the training prior (`chartune.stages.balancing`)."""
    per_class: Annotated[int | None, Added()] = Field(None, gt=0)
    """Few-shot: training texts of each class, drawn by the seed; of a class that has fewer all. None: every text."""
    chosen_by: Annotated[Literal["score", "log-loss"], Added()] = "score"
    """What of the validation split weights are kept by; `log-loss`: the lowest, unweighted, as P1's code did."""
    optimisation: Optimisation = Optimisation()
    """How weights are moved."""
    stopping: Stopping = Stopping()
    """When to evaluate on the validation split, and when to stop."""

    def idle(self) -> Mapping[str, str]:
        """The learning rate of layers where none learns."""
        if self.stack.trains_body():
            return {}
        return {"optimisation.learning_rate": "the head learns alone; vary `optimisation.head_learning_rate`, or write "
                "the head alone as a stage of its own"}  # fmt: skip

    def hashable(self) -> dict[str, Any]:
        """As of every config; balanced runs of versions that left the weights in their probabilities are others."""
        plain = self.balance in ("none", "logit-adjusted")  # the same training (`chartune.stages.balancing`)
        return super().hashable() | ({"balance": "none"} if plain else {"prior": "undone"})

    @model_validator(mode="after")
    def _fields_go_together(self) -> Self:
        if self.per_class is not None and self.balance != "none":
            raise ValueError("`per_class` draws as many texts of each class, so that `balance` must be `none`")
        if isinstance(self.long, Windows) and self.long.pool == "attention" and not self.stack.trains_body():
            raise ValueError(
                "`long.pool: attention` learns with the layers below the head, but none learns; use `mean`"
            )
        return self

    @property
    def window(self) -> int | None:
        """Tokens of a row where a text is several; None: each is one."""
        return self.max_seq_len if isinstance(self.long, Windows) else None

    def layers(self) -> Stack:
        """What is attached to the base."""
        return self.stack

    def is_bidirectional(self) -> bool:
        """As `bidirectional` says."""
        return self.bidirectional

    def must_suit(self, backbone: LocalBackbone) -> None:
        """Raises ConfigError: an encoder is asked to read both ways."""
        if self.bidirectional and not backbone.family.is_decoder:
            raise ConfigError(f"`bidirectional` must be asked of a decoder, but {backbone.name} is none; leave it out.")

    def title(self) -> str:
        """What to call it in a table."""
        probed = self.head.start == "probe" and not self.stack.layers
        return "linear probe (frozen embeddings + linear head)" if probed else self.stack.title()

    def reader(self, body: Body, family: Family, spec: HeadSpec | None) -> Classifier:
        """A fresh head on pooled hidden states."""
        if spec is None:
            raise AssertionError("a head is trained on a task")
        windows = self.long.pool if isinstance(self.long, Windows) else "mean"
        head = self.head.build(body.hidden_size, spec.prior, self.seed, windows)
        pooling = self.head.pooling_for(family, bidirectional=self.bidirectional)
        return Classifier(body.module, head, pooling, spec.loss, spec.balance, bidirectional=self.bidirectional)


@dataclass
class Reader:
    """What is trained, and how each split is scored."""

    objective: Objective
    """Its training examples."""
    logits: dict[str, Any]
    """By split: a function without arguments that returns logits, [n, outputs]."""
    examples: dict[str, Examples]
    """By split."""
    vectors: dict[str, NDArray[np.float32]] = field(default_factory=dict)
    """By split what the body has left, [n, D], where nothing of it learns."""


def finetune(stage: Finetune, store: Store, planned: Planned = None, tested: Tested = None) -> Run:
    """Train, or find it done. Scores with patient-bootstrap intervals; predictions keyed by admission.

    Raises:
        LabelError: a split lacks a class.
        AdapterError: an adapter of the stack does not fit the base model.
        ConfigError: an adapter or a base model is missing, or `max_seq_len` is beyond its positions.
        DataError: the task was not prepared.
    """
    data = prepare(stage.data, store)
    dataset, table = read_dataset(data), read_table(data, stage.task, for_model=True)
    table.must_be_learnable()  # before a base is made and a run begun that nobody could finish
    inputs = inputs_of(stage, store)
    for warning in (*inputs.warnings(pads=True), *inputs.circular(dataset.source)):
        say(f"warning: {warning}")
    backbone, adapters = inputs.base, inputs.adapters
    layers = [layer_facts(layer, adapter) for layer, adapter in zip(stage.stack.layers, adapters, strict=True)]
    return perform(
        stage, store, data, kind="finetune", revision=REVISION,
        name=stage.name or f"{stage.title()} on {backbone.name}",
        parts=parts_of(table.task, backbone, inputs.resolved, [content_of(a) if a else None for a in adapters]),
        facts={"source": source_facts(dataset), **task_facts(table),
               "backbone": {**backbone_facts(backbone, parameters_of(backbone)), "padding": padding_stand_in(backbone)},
               "stack": layers, "parents": [a.run for a in adapters if a and a.run], "max_seq_len": stage.max_seq_len,
               "long": None if stage.long == FIRST else stage.long.model_dump(mode="json"),
               **({"bidirectional": True} if stage.bidirectional else {})},
        resolved=inputs.resolved, planned=planned, tested=tested,
        work=lambda work: _train(stage, data, table, inputs, work),
    )  # fmt: skip


def parts_of(
    task: str, backbone: LocalBackbone, resolved: Resolved, adapters: Sequence[Mapping[str, Any] | None]
) -> dict[str, Any]:
    """What determines a run beside stage and data; adapters: `content_of` each layer's, None of a fresh one."""
    return {
        "task": task, "backbone": backbone.content_hash, "numerics": resolved.hashable(), "adapters": list(adapters),
    }  # fmt: skip


def _train(stage: Finetune, data: Artefact, table: TaskTable, inputs: Inputs, work: Work) -> Outcome:
    """Assemble, fit, keep, score."""
    few = Few(stage.per_class, stage.seed)
    examples = split_examples(
        table, ("train", *stage.read_splits(table)), inputs.base, work.store, data.fingerprint,
        max_seq_len=stage.max_seq_len, long=stage.long, balance=stage.balance, few=few,
    )  # fmt: skip
    spec = head_spec(table, examples["train"], stage.balance, few)
    assembled = assemble(stage, inputs, bare_body(stage, inputs), spec)
    model = assembled.reader
    if not isinstance(model, Classifier):
        raise AssertionError("fine-tuning trains a classifier")
    start = Initial(inputs, assembled.attached, work.store, data.fingerprint)
    reader = _reader(stage, model, examples, start)
    fitted = _fitted(stage, table, assembled, reader, start, work)
    assembled.attached.must_hold()
    lineage = {"run": work.fingerprint, "stage": "finetune", "task": table.task}
    keep_weights(work.folder, assembled.attached, model, inputs, lineage, whole=stage.stack.trains_all())
    outcome = _outcome(stage, table, assembled, reader, fitted, work, inputs.resolved)
    return replace(outcome, efficiency=measured(assembled, reader.examples, inputs, fitted.state, work.folder))


def _fitted(stage: Finetune, table: TaskTable, assembled: Model, reader: Reader, start: Initial, work: Work) -> Fitted:
    """Train, the head from a probe where that is asked; the model then holds the best weights."""
    resolved, inputs = start.inputs.resolved, start.inputs
    training = Training(
        reader.objective, stage.optimisation, stage.stopping, stage.seed, resolved.precision, work.checkpoints,
        EventLog(work.folder / EVENTS),
        lambda: _judged(stage, _evaluation(table, reader.examples["validation"], reader.logits["validation"]())),
        title=f"fine-tune {stage.name or stage.title()}", attached=assembled.attached,
        in_tokens=stage.stack.trains_body(), data_parallel=resolved.data_parallel,
        budget=inputs.budget(stage.optimisation, work.most_tokens),
        probe=probe_of(stage.optimisation, stage.stopping, assembled, reader.examples["train"], resolved),
    )  # fmt: skip
    if stage.head.start == "probe" and not any(work.checkpoints.glob("step-*")):  # which hold the head of a resumed run
        _probe(training, cast(Classifier, assembled.reader), reader, stage, table, start)
    return fit(training)


def _outcome(
    stage: Finetune, table: TaskTable, assembled: Model, reader: Reader, fitted: Fitted, work: Work, resolved: Resolved
) -> Outcome:
    """Write the predictions of every scored split, and score them."""
    examples = reader.examples
    decided = {split: decided_of(table.form, examples[split], logits()) for split, logits in reader.logits.items()}
    write_predictions(work.folder, table, decided)
    begun = stage.long.beginning and table.form.whole_text and not table.of_pairs and "test" in examples
    words = {"test": examples["test"].encoded.words_seen} if begun else {}
    oracle = oracle_of(stage.data.source, table.task, table.recipe)
    scores = score(table, {split: decided[split] for split in stage.scored}, work.folder, words=words, oracle=oracle)
    # Vectors that a frozen body has left are no tokens: what a head alone was trained on is reported as "not measured".
    tokens = fitted.state.tokens if stage.stack.trains_body() else None
    return Outcome(scores, assembled.learning, assembled.parameters, tokens, fitted.state, {
        "stopped_early": fitted.stopped_early, **fitted.state.facts,
        "truncated_fraction": float(examples[stage.scored[-1]].cut.mean()),
        "pooling": cast(Classifier, assembled.reader).pooling if table.form.whole_text else POOLED,
        **word_counts(table, examples),
        "texts": Few(stage.per_class, stage.seed).count(table),
        **recalibration(stage, table, decided),
        "contributions": contributions(assembled, examples["train"], resolved),
    })  # fmt: skip


def _reader(stage: Finetune, model: Classifier, examples: dict[str, Examples], start: Initial) -> Reader:
    train, splits = examples["train"], [split for split in examples if split != "train"]
    learnt = learnt_rows(train)
    weights = train.weights[learnt]
    if stage.stack.trains_body():
        lengths = train.encoded.lengths[learnt]
        objective = Objective(model, lambda rows, _: train.batch(learnt[rows]), lengths, weights)
        resolved = start.inputs.resolved
        later = {split: partial(logits_of, model, examples[split], resolved) for split in splits}
        return Reader(objective, later, examples)
    vectors = {split: start.vectors(model, part) for split, part in examples.items()}
    reader = FeatureReader(model.head, model.loss, model.balance)
    features = train.features(vectors["train"])
    ones = np.ones(len(learnt), dtype=np.int64)
    objective = Objective(reader, lambda rows, _: features.batch(learnt[rows]), ones, weights)
    logits = {s: (lambda s=s: head_logits(reader, vectors[s])) for s in splits}
    return Reader(objective, logits, examples, vectors)


def _probe(
    training: Training, model: Classifier, reader: Reader, stage: Finetune, table: TaskTable, start: Initial
) -> None:
    """Begin at a regression on the vectors of the body as it is; training replaces it only by a better score."""
    train, watched = (
        reader.vectors[split] if reader.vectors else start.vectors(model, reader.examples[split])
        for split in ("train", "validation")
    )
    head, examples = FeatureReader(model.head, model.loss, model.balance), reader.examples["train"]

    def evaluated() -> Evaluation:
        return _judged(stage, _evaluation(table, reader.examples["validation"], head_logits(head, watched)))

    probe(head, replace(examples.features(train), starts=None), lambda: evaluated().score)
    begin(training, evaluated())


def _evaluation(table: TaskTable, examples: Examples, logits: NDArray[np.float32]) -> Evaluation:
    return Evaluation(*validated(table, decided_of(table.form, examples, logits)))


def _judged(stage: Finetune, shown: Evaluation) -> Evaluation:
    return replace(shown, score=-shown.values["log_loss"]) if stage.chosen_by == "log-loss" else shown
