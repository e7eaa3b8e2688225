"""Mixing: batches whose rows belong to several tasks, each row with the LoRA of its own.

    rows of task a  W·x + up_a·(down_a·x)        one product with W for all rows,
    rows of task b  W·x + up_b·(down_b·x)        then two narrow ones for the rows of each task
    of a head only  W·x

The layers stand beside the matrices, so that a probability differs from that of `predict`, which reads with layers
inside the matrices, in its last digits. On a processor an encoder of BERT's kind reads its rows without padding.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from chartune.adapters.low_rank import LowRank
from chartune.batches.budgets import reading_budget
from chartune.batches.collate import Examples, length_groups, token_groups
from chartune.errors import AdapterError
from chartune.models.anatomy import anatomy_of
from chartune.models.bidirectional import full_attention
from chartune.models.fused_encoder import can_be_fused
from chartune.models.load import Body
from chartune.models.packed_encoder import PackedEncoder, rows_of
from chartune.models.precision import HALF, Computed, computing
from chartune.models.prepacked import Product, prepacked, rounded_product
from chartune.models.readers import Classifier
from chartune.prediction.predictions import in_batches
from chartune.serving.bodies import tree_of
from chartune.serving.tally import Tally

Rows = NDArray[np.int64]
Tokens = Mapping[str, Tensor]
"""Of a part of a batch: input_ids and attention_mask [R, T], and what else `Examples.tokens` gives."""
Parts = Sequence[tuple[str, slice]]
"""Of a batch the rows of each task."""


@dataclass
class Route:
    """Which rows of the batch that is being read have which task's LoRA; without padding a row is a token."""

    rows: int = 0
    """Of the batch."""
    parts: Parts = ()
    """Name of a task, and its rows."""


class Beside(nn.Module):
    """A matrix with LoRAs of many tasks beside it."""

    def __init__(self, matrix: nn.Module, route: Route, packed: Product | None) -> None:
        """packed: multiplies as the matrix does; None: nothing does so faster."""
        super().__init__()
        self.matrix, self.route, self.packed = matrix, route, packed
        self.changes: dict[str, LowRank] = {}

    def forward(self, states: Tensor) -> Tensor:
        """[R, …, d_in] ─▶ [R, …, d_out]. Raises AdapterError: the first dimension is not that of rows."""
        if len(states) != self.route.rows:
            raise AdapterError("a matrix must see the rows of a batch in their order, but one of this base does not.")
        out: Tensor = self.packed(states) if self.packed else self.matrix(states)
        for task, rows in self.route.parts:
            if (change := self.changes.get(task)) is not None:
                narrow = states[rows].flatten(0, -2) @ change.down.T  # [R·T, r]
                out[rows].view(-1, out.shape[-1]).addmm_(narrow, change.up.T)
        return out


@dataclass(frozen=True)
class Asked:
    """Texts of one task."""

    task: str
    model: Classifier
    """Whose pooling and head are used; not its body."""
    examples: Examples


class MixedBody:
    """A body in which every row of a batch has the LoRA of its own task. For one thread at a time."""

    def __init__(
        self, body: Body, *, bidirectional: bool, tally: Tally | None = None, beside: "MixedBody | None" = None,
        precision: Computed = "fp32",
    ) -> None:  # fmt: skip
        """Nobody has a LoRA yet.

        Args:
            body: frozen, in fp32, without layers beside its matrices; its tensors are shared, not copied, but where
                they are `prepacked`.
            bidirectional: whether a decoder reads both ways.
            tally: counts batches; None: one of its own.
            beside: another one of the same body and precision, whose prepacked matrices it shares.
            precision: of matrix products; in two bytes matrices are held so, too, and rows are padded.
        """
        self.precision = precision
        self.tally = tally or Tally()
        self.module, self.route, self.bidirectional = tree_of(body).module.eval(), Route(), bidirectional
        packs = precision == "fp32" and self.device.type == "cpu" and can_be_fused(self.module)
        for name in anatomy_of(body.module).matrices:
            matrix = self.module.get_submodule(name)
            packed = beside.matrix(name).packed if beside else self._product(matrix, packs)
            self.module.set_submodule(name, Beside(matrix, self.route, packed))
        self._packed = PackedEncoder(self.module) if packs else None

    def _product(self, matrix: nn.Module, packs: bool) -> Product | None:
        half = HALF.get(self.precision)
        return rounded_product(matrix, half) if half else prepacked(matrix) if packs else None

    @property
    def device(self) -> torch.device:
        """Where it is."""
        return next(self.module.parameters()).device

    def put(self, task: str, changes: Mapping[str, LowRank]) -> None:
        """Give a task its LoRA. changes: by the name of the matrix; none: its rows are read as they are."""
        matrices = {name: self.matrix(name) for name in changes}
        for name, matrix in matrices.items():
            matrix.changes[task] = changes[name].to(self.device, HALF.get(self.precision))

    def take(self, task: str) -> None:
        """Take its LoRA away."""
        for module in self.module.modules():
            if isinstance(module, Beside):
                module.changes.pop(task, None)

    def matrix(self, name: str) -> Beside:
        """One of its matrices. Raises AdapterError: it is none, or not of a block."""
        module = self.module.get_submodule(name)
        if not isinstance(module, Beside):
            raise AdapterError(f"a LoRA must be of matrices in the blocks of its base, but {name} is none of them.")
        return module

    @property
    def copied_bytes(self) -> int:
        """Of matrices that are held twice, because they are prepacked."""
        every = (each for each in self.module.modules() if isinstance(each, Beside) and each.packed)
        nbytes = sum(each.matrix.get_parameter("weight").nbytes for each in every)
        return nbytes // 2 if self.precision in HALF else nbytes

    def states(self, tokens: Tokens, parts: Parts) -> Tensor:
        """Hidden states [R, T, D] of a batch; 0 on padding, or anything. parts: others than these have no LoRA."""
        mask = tokens["attention_mask"]
        types = {name: tokens[name] for name in ("token_type_ids",) if name in tokens}
        if self._packed:
            return self._unpadded(self._packed, tokens["input_ids"], mask, types, parts)
        seen = full_attention(mask) if self.bidirectional else {"attention_mask": mask}
        with self._routed(len(mask), parts), torch.inference_mode(), computing(self.device.type, self.precision):
            made: Tensor = self.module(input_ids=tokens["input_ids"], **seen, **types).last_hidden_state
        return made

    def _unpadded(
        self, body: PackedEncoder, ids: Tensor, mask: Tensor, types: Mapping[str, Tensor], parts: Parts
    ) -> Tensor:  # fmt: skip
        lengths = mask.sum(1)
        ends = [0, *lengths.cumsum(0).tolist()]
        tokens = [(task, slice(ends[rows.start], ends[rows.stop])) for task, rows in parts]
        with self._routed(rows_of(ends[-1]), tokens), torch.inference_mode():
            read = body(body.embedded(ids, mask, **types), lengths.tolist())
            made = read.new_zeros(*mask.shape, read.shape[-1])
            made[mask.bool()] = read
        return made

    @contextmanager
    def _routed(self, rows: int, parts: Parts) -> Iterator[None]:
        self.route.rows, self.route.parts = rows, tuple(parts)
        try:
            yield
        finally:
            self.route.rows, self.route.parts = 0, ()

    def vectors(self, asked: Sequence[Asked]) -> list[NDArray[np.float32]]:
        """The pooled vectors of the texts of each task, or those of its words: [vectors, D] each.

        Rows of all tasks are batched by their lengths together.

        Raises:
            RunError: one text alone does not fit into memory.
        """
        starts = np.cumsum([0, *(len(each.examples.encoded) for each in asked)])
        ends = np.cumsum([0, *(each.examples.vectors for each in asked)])
        lengths = np.concatenate([each.examples.encoded.lengths for each in asked])
        made = in_batches(
            lengths, reading_budget(self.device.type, self.precision), partial(self._read, asked, starts),
            partial(_into, asked, starts, ends), int(ends[-1]), token_groups if self._packed else length_groups,
        )  # fmt: skip
        return np.split(made, ends[1:-1])

    def _read(self, asked: Sequence[Asked], starts: Rows, rows: Rows) -> NDArray[np.float32]:
        parts = _parts(starts, rows)
        tokens = [
            {name: tensor.to(self.device) for name, tensor in asked[task].examples.tokens(own).items()}
            for task, own in parts
        ]
        ends = np.cumsum([0, *(len(part["input_ids"]) for part in tokens)]).tolist()
        places = [slice(*pair) for pair in pairwise(ends)]
        names = [asked[task].task for task, _ in parts]
        pads = [asked[task].examples.pad_id for task, _ in parts]
        together = _together(tokens, pads)
        cells, filled = together["attention_mask"].numel(), int(together["attention_mask"].sum())
        self.tally.batch(rows_of(filled) if self._packed else cells, filled)
        states = self.states(together, list(zip(names, places, strict=True)))
        with torch.inference_mode():
            vectors = [
                asked[task].model.pooled(**part, body=_given(states[place, : part["input_ids"].shape[1]]))
                for (task, _), place, part in zip(parts, places, tokens, strict=True)
            ]
            return np.asarray(torch.cat(vectors).float().cpu().numpy(), dtype=np.float32)


def _parts(starts: Rows, rows: Rows) -> list[tuple[int, Rows]]:
    """Some of the rows of all tasks by task: its number, and the numbers of the rows among its own."""
    owners = np.searchsorted(starts, rows, side="right") - 1
    return [(task, rows[owners == task] - starts[task]) for task in np.unique(owners).tolist()]


def _into(asked: Sequence[Asked], starts: Rows, ends: Rows, rows: Rows) -> Rows:
    """Numbers of the vectors of some rows, in the order in which `_parts` has them."""
    return np.concatenate([ends[task] + asked[task].examples.into(own) for task, own in _parts(starts, rows)])


def _together(parts: Sequence[Tokens], pads: Sequence[int]) -> dict[str, Tensor]:
    """Parts of a batch, padded to the longest, one after the other."""
    width = max(part["input_ids"].shape[1] for part in parts)

    def padded(tensor: Tensor, value: int) -> Tensor:
        return nn.functional.pad(tensor, (0, width - tensor.shape[1]), value=value)

    made = {
        "input_ids": torch.cat([padded(part["input_ids"], pad) for part, pad in zip(parts, pads, strict=True)]),
        "attention_mask": torch.cat([padded(part["attention_mask"], 0) for part in parts]),
    }
    if any("token_type_ids" in part for part in parts):
        types = [part.get("token_type_ids", torch.zeros_like(part["input_ids"])) for part in parts]
        made["token_type_ids"] = torch.cat([padded(each, 0) for each in types])
    return made


def _given(states: Tensor) -> Any:
    """A body that has already read: hidden states [R, T, D]."""
    return lambda **_: SimpleNamespace(last_hidden_state=states)
