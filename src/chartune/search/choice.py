"""Choice: how a search goes on, and when it ends. One budget for every row that is compared."""

from collections.abc import Sequence
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from chartune.config import Config, Unhashed
from chartune.search.space import Space, key_of
from chartune.search.trial import Trial

Sampler = Literal["gp", "tpe", "random", "grid"]


class Fidelity(Config):
    """Trials on a share of the training, of which the best are trained in full: two searches, one after the other."""

    share: float = Field(0.2, gt=0, lt=1)
    """Share of the duration, and so of the tokens, of a trial; 10 to 25 % are usual."""
    promoted: Annotated[int, Unhashed()] = Field(4, gt=0)
    """How many of the best settings are then trained in full; the best of these is chosen."""


class Search(Config):
    """A search for settings; of a study: of each of its stages that has a `space`."""

    sampler: Sampler = "gp"
    """`gp`: a Gaussian process with the expected improvement; `tpe`: a tree-structured Parzen estimator; `random`;
    `grid`: every setting in order."""
    trials: Annotated[int, Unhashed()] = Field(20, gt=0)
    """Different settings that are tried at most; one that is proposed again is none."""
    tokens: Annotated[int | None, Unhashed()] = Field(None, gt=0)
    """Training tokens of all trials together, after which none is begun; None: no limit."""
    minutes: Annotated[float | None, Unhashed()] = Field(None, gt=0)
    """Minutes of all trials together, as their runs have taken, after which none is begun; None: no limit."""
    startup: int = Field(6, gt=0)
    """Trials before `gp` and `tpe` look at scores: points of a Sobol sequence, spread evenly."""
    seed: int = Field(0, ge=0)
    """With the number of a trial it determines what is proposed."""
    fidelity: Fidelity | None = None
    """Trials on a share of the training; None: all are trained in full."""

    @model_validator(mode="after")
    def _promotes_what_was_tried(self) -> Self:
        if self.fidelity and self.fidelity.promoted > self.trials:
            raise ValueError(
                f"`fidelity.promoted` must not exceed `trials`, got {self.fidelity.promoted} and {self.trials}"
            )
        return self

    def must_suit(self, space: Space) -> None:
        """Refuse a grid without end.

        Raises:
            ValueError: the sampler cannot take the space.
        """
        if self.sampler == "grid" and space.size is None:
            raise ValueError(
                "the sampler `grid` needs a space of listed values, but this one has a range, or too many values; list "
                "fewer, or take `random`"
            )

    def ends(self, space: Space, trials: Sequence[Trial]) -> str:
        """Why no further trial is begun; empty: there is more to do.

        Args:
            space: what is searched.
            trials: all so far.
        """
        counted = [trial for trial in trials if trial.counts]
        tokens, seconds = (sum(getattr(trial, what) or 0 for trial in counted) for what in ("tokens", "seconds"))
        seen = {key_of(trial.settings) for trial in trials}
        if space.size is not None and len(seen) >= space.size:
            return f"all {space.size} settings of the space have been tried"
        if len(counted) >= self.trials:
            return "1 trial has been made" if self.trials == 1 else f"{self.trials} trials have been made"
        factor = self._to_come(counted)
        if self.tokens is not None and tokens * factor >= self.tokens:
            return "the tokens are spent"
        if self.minutes is not None and seconds * factor >= 60 * self.minutes:
            return "the minutes are spent"
        return ""

    def _to_come(self, counted: Sequence[Trial]) -> float:
        """What is spent in the end, as a multiple of what trials have taken: the best are trained in full, too."""
        if self.fidelity is None or not counted:
            return 1.0
        return 1.0 + min(self.fidelity.promoted, len(counted)) / (self.fidelity.share * len(counted))
