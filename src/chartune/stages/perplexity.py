"""Perplexity in pretraining: which texts are scored, and what reading them has cost, by patient.

    test, validation    blocks of held-out patients      ┐
    train               a fixed sample of what is learnt ├─token_nll─▶ Sums by patient ─▶ scores, nll.parquet
    general             plain text that the user names   ┘             (of general text by document)

Every method reads the same blocks, and is scored on the same tokens of them: virtual tokens stand before a text, and
their states predict nothing. What an encoder guesses under masks has names of its own.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, Protocol

import numpy as np
import polars as pl
from numpy.typing import NDArray

from chartune.batches.pack import Blocks
from chartune.log import EventLog
from chartune.metrics.perplexity import Nats, Reader, Sums, mean_of_batches, perplexity_named, summed
from chartune.models.numerics import Resolved
from chartune.models.readers import LanguageModel
from chartune.prediction.predictions import token_nll
from chartune.quantities import Estimate
from chartune.runs.nll import COLUMNS, NLL, nll_rows
from chartune.runs.run import CHOOSING
from chartune.stages.table import SCORED
from chartune.tasks.frames import write_frame

TRAIN: Final = "train"
GENERAL: Final = "general"
"""Text of no patient."""
PUBLISHED: Final = "paper_perplexity"
"""As Gema et al. (2023) coded it."""
AFTER: Final = ("perplexity", "bits_per_byte", PUBLISHED, perplexity_named("perplexity", masked=True))
"""Scores of a split that was read after training alone."""


class Reads(Protocol):
    """What reads blocks with a model, as `token_nll` does."""

    def __call__(self, model: LanguageModel, blocks: Blocks, /, *, numerics: Resolved) -> NDArray[np.float64]:
        """Nats of each predicted token: [N]."""


@dataclass(frozen=True)
class Texts:
    """Blocks of documents, and whose those are."""

    blocks: Blocks
    owners: NDArray[np.int64]
    """The patient of each document; of general text its own number: [documents]."""

    def some(self, count: int | None) -> "Texts":
        """So many of the blocks, evenly spaced; None: all."""
        return replace(self, blocks=self.blocks.some(count))

    def read_as(self, blocks: Blocks) -> "Texts":
        """The same texts, read in another way."""
        return replace(self, blocks=blocks)

    @property
    def masked(self) -> bool:
        """Whether an encoder guesses some of their tokens."""
        return self.blocks.shown is not None

    def sums(self, nats: Nats) -> Sums:
        """Sums by patient."""
        counted = None if self.blocks.bytes is None else self.blocks.target_bytes()
        return summed(self.owners[self.blocks.target_documents()], nats, counted)

    def named(self, scores: Mapping[str, Estimate]) -> dict[str, Estimate]:
        """Scores under the names that they have of masked tokens, or of next ones."""
        return {perplexity_named(name, masked=self.masked): score for name, score in scores.items()}

    def published(self, nats: Nats, batch_size: int) -> dict[str, Estimate]:
        """Perplexity as published, of batches of so many blocks; without an interval."""
        tokens = self.blocks.predicted_tokens
        names: dict[Reader, str] = {"before": f"{PUBLISHED}_before", "after": PUBLISHED}
        return {
            name: Estimate(mean_of_batches(nats[reader], tokens, batch_size), n=int(tokens.sum()))
            for reader, name in names.items()
            if reader in nats
        }


@dataclass(frozen=True)
class Measurement:
    """The texts that are scored, and who has read them so far."""

    scored: Mapping[str, Texts]
    """By split, and `general`; scores come in this order."""
    numerics: Resolved
    """In which they are read."""
    batch_size: int | None = None
    """Blocks of a batch in the papers' formula; None: it is not asked for."""
    nats: dict[str, dict[Reader, NDArray[np.float64]]] = field(default_factory=dict)
    """Of each scored token, by part and reader: [N]."""

    def read(self, model: LanguageModel, reader: Reader, *parts: str, nll: Reads = token_nll) -> None:
        """Let a model read some of the parts, by `nll`; those that are not scored are passed over."""
        for part in parts:
            if part in self.scored:
                self.add(part, reader, nll(model, self.scored[part].blocks, numerics=self.numerics))

    def add(self, part: str, reader: Reader, nats: NDArray[np.float64]) -> None:
        """Keep the nats of each scored token of a part, by who has read it."""
        self.nats.setdefault(part, {})[reader] = nats

    def scores(self) -> tuple[dict[str, dict[str, Estimate]], dict[str, Sums]]:
        """Scores by part, and the sums that they stand on; as published, too, of held-out texts."""
        sums = {part: texts.sums(self.nats[part]) for part, texts in self.scored.items()}
        scores = {part: texts.named(sums[part].measured()) for part, texts in self.scored.items()}
        if self.batch_size is not None:
            for part in set(SCORED) & set(scores):
                scores[part] |= self.scored[part].published(self.nats[part], self.batch_size)
        return scores, sums


def last_batch(events: Path) -> dict[str, Estimate]:
    """The train perplexity as published: of the last step's batch alone, while it was learnt from."""
    losses = [event.value for event in EventLog.read(events) if event.name == "loss"]
    return {PUBLISHED: Estimate(float(np.exp(losses[-1])))}


def unigram_nats(train: NDArray[np.int32], held: NDArray[np.int32], vocabulary: int) -> NDArray[np.float64]:
    """Nats of tokens by token frequencies with add-one smoothing: what is reached without reading at all.

    Args:
        train: tokens to count, [N].
        held: tokens to predict, [M].
        vocabulary: V.

    Returns:
        [M].
    """
    counts = np.bincount(train, minlength=vocabulary) + 1.0
    nats: NDArray[np.float64] = -np.log(counts / counts.sum())[held]
    return nats


def write_sums(folder: Path, sums: Mapping[str, Sums], earlier: pl.DataFrame | None = None) -> None:
    """Keep the sums of patients, split by split; not those of general text.

    Args:
        folder: of the run.
        sums: by split.
        earlier: rows of a run that has left out the test split; None: there are none.
    """
    made = [nll_rows(split, each) for split, each in sums.items() if split != GENERAL]
    if earlier is not None:
        validated = pl.col("split") == CHOOSING  # before training only the reported split is read
        made.append(
            earlier.with_columns(pl.when(~validated).then(pl.col(name)).alias(name) for name in ("before", "unigram"))
        )
    write_frame(pl.concat(made).select(*COLUMNS).sort("split", "subject_id"), folder / NLL)
