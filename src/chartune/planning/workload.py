"""Workload: how many examples, tokens and steps a stage would take, from data that are prepared already.

Nothing is prepared for a plan. Texts are sampled and tokenised; where a split has few, all of them. The counts are
those at the planned length: early stopping can only shorten a run. Of real patients each is that of its class
(`chartune.disclosure.typical`), because steps and tokens would reveal it.
"""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Final

import numpy as np
import polars as pl

from chartune.disclosure import amount, is_made_up, shown, typical
from chartune.errors import StoreError
from chartune.models.backbone import LocalBackbone
from chartune.notes.text_pair import joined, read_texts
from chartune.planning.kept import Kept, array_bytes, nats_of, vectors_of
from chartune.planning.lengths import AROUND, SAMPLE, mean_rows, mean_tokens
from chartune.planning.prepared import prepared
from chartune.stages.finetune import Finetune
from chartune.stages.pretrain import Pretrain
from chartune.stages.recalibrating import CALIBRATION
from chartune.stages.table import SCORED
from chartune.stages.texts import SPLITS
from chartune.store import Artefact, Store
from chartune.tasks.dataset import read_dataset
from chartune.tasks.prepare import corpus_of, read_task, task_named
from chartune.train.optimizer import Optimisation
from chartune.train.plan import micro_batches, schedule_of

BYTES_PER_PACKED_TOKEN: Final = 30
"""Ids, positions and flags of packed blocks, and the stream that they are cut from."""


@dataclass(frozen=True)
class Workload:
    """What a stage would go through. None: not known before the data are prepared."""

    data: str | None = None
    """Fingerprint of the prepared data that it was counted on."""
    outputs: int | None = None
    """Logits of the task head; None also where there is none."""
    loss: str | None = None
    """What the head minimises; None also where there is none."""
    examples: int | None = None
    """Training texts or blocks of notes."""
    epoch_tokens: int | None = None
    """Tokens of one pass over them."""
    steps: int | None = None
    """Optimizer steps, at most."""
    tokens: int | None = None
    """Training tokens over all steps; 0 where the body reads once and only the head learns."""
    micro_batches: int | None = None
    """How often a micro-batch goes forward and backward."""
    evaluations: int = 0
    """How often the validation split is scored, and a checkpoint written."""
    read_tokens: int | None = None
    """Tokens read without gradients: evaluations, final scores, vectors for a head."""
    evaluated_tokens: int = 0
    """Those among them that evaluations read while it trains."""
    text_bytes: int = 0
    """Size of the texts that are held in memory."""
    kept: Kept = field(default_factory=Kept)
    """What is put into the store for all runs."""

    @property
    def row(self) -> int | None:
        """Mean tokens of a training text or block; None: not known."""
        return max(2, round(self.epoch_tokens / self.examples)) if self.examples and self.epoch_tokens else None

    def to_json(self, exact: bool = True) -> dict[str, Any]:
        """As plain JSON; `exact`: whether texts of real patients are counted as they are."""
        plain = asdict(self)
        return plain if exact or self.examples is None else plain | {"examples": shown(self.examples, exact)}


def workload_of(
    stage: Pretrain | Finetune, backbone: LocalBackbone | None, store: Store, budget: int, exact: bool = False
) -> Workload:
    """The workload of a stage; mostly unknown where its data are not prepared.

    Args:
        stage: what would be done.
        backbone: the base model; None where it is yet to be made.
        store: where prepared data may be.
        budget: padded tokens of a micro-batch.
        exact: whether texts of real patients are counted as they are.

    Raises:
        DataError: the data are prepared, but without the task or the corpus.
    """
    data = prepared(stage.data, store)
    if data is None:
        return Workload(outputs=_outputs_asked(stage) if isinstance(stage, Finetune) else None)
    exact = exact or is_made_up(read_dataset(data).source)
    if isinstance(stage, Pretrain):
        return _of_blocks(stage, data, backbone, budget, exact)
    return _of_texts(stage, data, backbone, budget, exact)


def _outputs_asked(stage: Finetune) -> int | None:
    """As many as the task has answers; None where they are known once it is prepared."""
    tasks = {task.name: task for task in stage.data.tasks}
    return tasks[task_named(tasks, stage.task)].answers


@dataclass(frozen=True)
class _Texts:
    """The examples of a task in one split; where it asks for spans the rows of its documents."""

    count: int
    mean: float
    """Tokens of a text, cut at `max_seq_len`, or of a row."""
    size: int
    """Bytes of all of them."""

    @property
    def tokens(self) -> int:
        """Of all of them."""
        return round(self.count * self.mean)


def _of_texts(stage: Finetune, data: Artefact, backbone: LocalBackbone | None, budget: int, exact: bool) -> Workload:
    """What fine-tuning reads: the texts of a task."""
    dataset = read_dataset(data)
    task = task_named(dataset.tasks, stage.task)
    form = dataset.tasks[task].form
    outputs = form.outputs(len(dataset.tasks[task].labels))
    frame = read_task(data, task)
    texts = {
        split: _texts(stage, frame, split, backbone, exact, in_rows=not form.whole_text)
        for split in ("train", *SCORED, CALIBRATION)
    }
    ids = array_bytes(sum(part.count for part in texts.values()), sum(part.tokens for part in texts.values()))
    if stage.per_class is not None:
        most = stage.per_class * max(2, len(dataset.tasks[task].labels))
        texts["train"] = replace(texts["train"], count=min(texts["train"].count, most))
    train, trains = texts["train"], stage.stack.trains_body()
    counts = {split: part.count if form.whole_text else part.tokens for split, part in texts.items()}
    calibrated = stage.recalibration != "none" and bool(form.recalibrators)
    schedule = schedule_of(stage.optimisation, stage.stopping, train.count)
    return Workload(
        data=data.fingerprint, outputs=outputs, loss=form.loss, examples=train.count, epoch_tokens=train.tokens,
        steps=schedule.steps, evaluations=schedule.evaluations,
        tokens=round(train.tokens * schedule.epochs) if trains else 0,
        micro_batches=schedule.steps * _turns(stage.optimisation, train.mean, budget) if trains else 0,
        read_tokens=_read(stage, texts, schedule.evaluations),
        evaluated_tokens=schedule.evaluations * texts["validation"].tokens if trains else 0,
        text_bytes=2 * sum(part.size for part in texts.values()),
        kept=Kept(ids if form.whole_text else 0, vectors_of(stage, counts, calibrated=calibrated)).shown(exact),
    )  # fmt: skip


def _texts(
    stage: Finetune, frame: pl.DataFrame, split: str, backbone: LocalBackbone | None, exact: bool, *, in_rows: bool
) -> _Texts:  # fmt: skip
    """Of real patients by means in whole tokens and bytes, so that multiples reveal the class of their number alone."""
    texts = read_texts(frame.filter(pl.col("split") == split))
    if in_rows:
        each, tokens = mean_rows(joined(texts), backbone, stage)
    else:
        each, tokens = 1.0, mean_tokens(texts, backbone, stage.max_seq_len, stage.long)
    size = sum(len(text.encode()) for text in joined(texts))
    count = typical(len(texts), exact)
    if exact or not texts:
        return _Texts(round(count * each), tokens, size)
    return _Texts(round(count * round(each, 1)), round(tokens), count * round(size / len(texts)))


def _read(stage: Finetune, texts: Mapping[str, _Texts], evaluations: int) -> int:
    """Tokens read without gradients; a body that does not learn reads every text once."""
    train, validation, scored = (sum(texts[split].tokens for split in splits)
                                 for splits in (("train",), ("validation",), stage.scored))  # fmt: skip
    if not stage.stack.trains_body():
        return train + scored
    probed = train + validation if stage.head.start == "probe" else 0
    return evaluations * validation + scored + probed


@dataclass(frozen=True)
class _Notes:
    """The documents of a corpus in one split."""

    documents: int
    tokens: float
    """Of all of them, begin and end of each included."""
    characters: float

    @property
    def text(self) -> float:
        """Tokens without begin and end of each."""
        return self.tokens - AROUND * self.documents


def _of_blocks(stage: Pretrain, data: Artefact, backbone: LocalBackbone | None, budget: int, exact: bool) -> Workload:
    """Of pretraining: blocks of notes, all of full length, or for an encoder rows of a mean length."""
    counts = corpus_of(read_dataset(data)).counts
    notes = {split: _notes(data, split, counts.get(split, {}), backbone, exact) for split in SPLITS}
    both_ways = backbone is not None and not backbone.family.is_decoder
    blocks = {split: _blocks(stage, part, both_ways=both_ways) for split, part in notes.items()}
    length = _row(stage, notes["train"], blocks["train"]) if both_ways else stage.max_seq_len
    schedule = schedule_of(stage.optimisation, stage.stopping, blocks["train"])
    ids = (array_bytes(p.documents, round(p.text), counted=split != "train" and not both_ways)
           for split, p in notes.items())  # fmt: skip
    last = notes[stage.scored[-1]]
    predicted = last.text if both_ways else last.text + last.documents  # the end of each, too
    epoch, characters = blocks["train"] * length, sum(part.characters for part in notes.values())
    return Workload(
        data=data.fingerprint, examples=blocks["train"], epoch_tokens=epoch, steps=schedule.steps,
        evaluations=schedule.evaluations, tokens=round(epoch * schedule.epochs),
        micro_batches=schedule.steps * _turns(stage.optimisation, length, budget),
        read_tokens=_read_blocks(stage, blocks, schedule.evaluations) * length,
        evaluated_tokens=schedule.evaluations * min(blocks["validation"], stage.validation_blocks) * length,
        text_bytes=round(2 * characters) + BYTES_PER_PACKED_TOKEN * sum(blocks.values()) * stage.max_seq_len,
        kept=Kept(
            sum(ids), nats=nats_of(stage, predicted, blocks[stage.scored[-1]], length, both_ways=both_ways)
        ).shown(exact),
    )  # fmt: skip


def _notes(
    data: Artefact, split: str, counts: Mapping[str, Any], backbone: LocalBackbone | None, exact: bool
) -> _Notes:
    """As many as the corpus counts, with the tokens and characters per word of the first of them."""
    documents, words = (int(counts.get(what, 0)) for what in ("documents", "words"))
    texts = _documents(data, split)
    sampled = max(1, sum(len(text.split()) for text in texts))  # words
    tokens = words * mean_tokens(texts, backbone, None) * len(texts) / sampled + AROUND * documents
    characters = words * sum(map(len, texts)) / sampled
    return _Notes(typical(documents, exact), *(amount(total, documents, exact) for total in (tokens, characters)))


def _blocks(stage: Pretrain, notes: _Notes, *, both_ways: bool) -> int:
    """Blocks of the notes; for an encoder rows, of which the last of each note is on average half full."""
    if stage.notes != "packed":
        return notes.documents
    if not both_ways:
        return math.ceil(notes.tokens / stage.max_seq_len)
    full = notes.text / max(1, stage.max_seq_len - AROUND)
    return max(notes.documents, math.ceil(full + notes.documents / 2))


def _row(stage: Pretrain, notes: _Notes, rows: int) -> int:
    """Mean tokens of an encoder's row."""
    return min(stage.max_seq_len, AROUND + math.ceil(notes.text / max(1, rows)))


def _read_blocks(stage: Pretrain, blocks: Mapping[str, int], evaluations: int) -> int:
    """Blocks read without gradients: of scored splits after training, of the last before it, of validation between.

    Of the training split a sample after it; of general text, which is not looked at, as many as there may be, twice.
    """
    held = [min(blocks[split], stage.held_out_blocks or blocks[split]) for split in stage.scored]
    beside = min(blocks["train"], stage.train_blocks) + (2 * stage.general_blocks if stage.general_text else 0)
    return sum(held) + held[-1] + beside + evaluations * min(blocks["validation"], stage.validation_blocks)


def _documents(data: Artefact, split: str) -> list[str]:
    """The first documents of a split. Raises StoreError: the corpus is damaged; polars itself would quote cells."""
    try:
        rows = pl.scan_parquet(data.file("corpus.parquet")).filter(pl.col("split") == split).head(SAMPLE)
        return rows.select("text").collect().get_column("text").to_list()
    except (OSError, pl.exceptions.PolarsError):
        damaged = f"the corpus must be as it was written, but {data.path / 'corpus.parquet'} is not"
    raise StoreError(f"{damaged}; remove {data.path} and prepare again.")


def _turns(choice: Optimisation, tokens: float, budget: int) -> int:
    """Micro-batches of a step whose examples have so many tokens each."""
    lengths = np.full(choice.batch_size, max(1, round(tokens)), dtype=np.int64)
    return len(micro_batches(np.arange(choice.batch_size), lengths, budget))
