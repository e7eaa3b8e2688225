"""ModelStage: a stage that trains on a base model, and what it says of the model that it needs."""

from abc import ABC, abstractmethod
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Annotated, ClassVar, Final

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from chartune.adapters.stack import Stack
from chartune.config import Unhashed
from chartune.errors import ConfigError
from chartune.models.backbone import Backbone, LocalBackbone
from chartune.models.families import Family
from chartune.models.load import Body
from chartune.models.losses import UNBALANCED, Balance
from chartune.models.numerics import Numerics
from chartune.models.readers import Classifier, LanguageModel
from chartune.report.followed import Released
from chartune.runs.record import RunRecord
from chartune.stages.stage import LearningStage
from chartune.tasks.dataset import Dataset
from chartune.train.trackers import Trackers, following

FEWEST: Final = 2
"""Tokens of a text, at least: one that is read, and one that is predicted."""


@dataclass(frozen=True)
class HeadSpec:
    """What a task needs of a head."""

    prior: NDArray[np.float32]
    """Logits of the label frequencies, [outputs]: where a head begins."""
    loss: str
    """What is minimised: a name in `chartune.models.losses`."""
    balance: Balance = UNBALANCED
    """What the loss makes of rare labels."""


class ModelStage(LearningStage, ABC):
    """A stage that trains on a base model."""

    needs_lm_head: ClassVar[bool] = False
    """Whether the base's language-model head is needed."""

    backbone: Backbone
    """The base model to adapt, by name or as a folder: `{name: minilm}`."""
    numerics: Numerics = Numerics()
    """How numbers are computed."""
    max_seq_len: int = Field(256, gt=1)
    """Tokens that the model reads of a text (or of a packed block)."""
    trackers: Annotated[Trackers, Unhashed()] = Trackers()
    """Who else gets the numbers of the training as it goes on."""

    def followed(self, fingerprint: str, about: RunRecord, released: Released) -> AbstractContextManager[None]:
        """While it lasts the stage's trackers get the numbers of the training, as they may be shown."""
        return following(self.trackers, fingerprint, about.name or fingerprint, released)

    def is_bidirectional(self) -> bool:
        """Whether a decoder's tokens see those behind them, against what it was pretrained with."""
        return False

    def must_suit(self, backbone: LocalBackbone) -> None:
        """Refuse a base model that it cannot work with; one of which the sizes alone are known may be planned with.

        Raises:
            AdapterError: the base lacks what the stage needs.
            ConfigError: a field does not go with it.
        """

    def uncompiled(self) -> str:
        """Why the blocks of its base cannot be compiled while they are trained; empty: they can."""
        return "texts of many lengths are trained on"

    def tokens(self, dataset: Dataset) -> int:
        """Tokens that it trains on, as far as its data say before they are tokenised; of texts of one length alone."""
        return 0

    @abstractmethod
    def layers(self) -> Stack:
        """What is attached to the base."""

    @abstractmethod
    def reader(self, body: Body, family: Family, spec: HeadSpec | None) -> Classifier | LanguageModel:
        """What reads the hidden states of a body that has its layers.

        Args:
            body: the base model.
            family: its architecture.
            spec: what a task needs of a head; None where there is no task.
        """


def must_have_positions(max_seq_len: int, backbone: LocalBackbone, taken: int = 0) -> None:
    """Refuse more tokens than a base model has positions.

    Args:
        max_seq_len: tokens of a text, or of a block.
        backbone: the base model.
        taken: positions that virtual tokens have before those.

    Raises:
        ConfigError: `max_seq_len` is too long, or nothing of a text has a place.
    """
    most = backbone.max_positions - taken
    if taken and most < FEWEST:
        raise ConfigError(
            f"{backbone.name} must have positions for a text behind its virtual tokens, but it has "
            f"{backbone.max_positions} and {taken} tokens are virtual; choose at most "
            f"{backbone.max_positions - FEWEST}."
        )
    if max_seq_len > most:
        before = f" behind {taken} virtual tokens" if taken else ""
        raise ConfigError(
            f"max_seq_len must be at most {most} for {backbone.name}{before}, but got {max_seq_len}; "
            f"use `--set max_seq_len={most}`."
        )
