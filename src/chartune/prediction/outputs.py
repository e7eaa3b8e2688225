"""Outputs: what has learnt, and what its numbers mean: names of labels, the form of the answer, its recalibration.

decided: log-odds [n] of one outcome, else logits [n, outputs] ─▶ probabilities, recalibrated unless asked for raw
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from chartune.answers import Answer
from chartune.errors import RunError
from chartune.metrics.recalibrators import Calibration
from chartune.runs.run import Run

DIGITS: Final = 12
"""Hexadecimal digits of the hash of a layer."""
_WEIGHTS: Final = ("adapter/", "model/", "tfidf/")


@dataclass(frozen=True)
class Origin:
    """What has learnt: the identity that every row of predictions states."""

    name: str
    """What a person calls it."""
    fingerprint: str
    """Of the run."""
    weights: str | None
    """The first digits of the SHA-256 of the weights of each layer, the lowest first; None: only a head was trained."""

    @classmethod
    def of(cls, name: str, fingerprint: str, files: Mapping[str, str]) -> Self:
        """Of a folder of files: path within it → SHA-256."""
        hashes = [sha256[:DIGITS] for file, sha256 in sorted(files.items())
                  if file.startswith(_WEIGHTS) and file.endswith(".safetensors")]  # fmt: skip
        return cls(name, fingerprint, "+".join(hashes) or None)


@dataclass(frozen=True)
class Outputs:
    """What the outputs of something that has learnt mean."""

    origin: Origin
    labels: tuple[str, ...]
    """Names of the labels, in the order of the logits."""
    titles: tuple[str, ...]
    """What people call them."""
    form: Answer
    """What its scores mean."""
    calibration: Calibration | None
    """How probabilities are recalibrated; None: they are raw."""

    @property
    def classes_(self) -> NDArray[np.str_]:
        """Names of the columns of `predict_proba`, [labels]."""
        return np.asarray(self.labels)

    def probability(self, decided: NDArray[np.float64], *, recalibrated: bool | None = None) -> NDArray[np.float64]:
        """Probability of each label, [n, labels]; of one outcome that of its presence, [n].

        Args:
            decided: what is scored of each text.
            recalibrated: False: raw, as the model gives them; None: recalibrated where something was fitted.

        Raises:
            RunError: it must be recalibrated, and nothing was fitted.
        """
        mends = self.recalibrates(recalibrated)
        return self.form.probabilities(self.recalibrated(decided) if mends else decided)

    def recalibrates(self, asked: bool | None) -> bool:
        """Whether probabilities are recalibrated; asked: as of `probability`."""
        return asked if asked is not None else self.calibration is not None and self.calibration.rises

    def recalibrated(self, decided: NDArray[np.float64]) -> NDArray[np.float64]:
        """Log-odds or logits after recalibration, of the same shape.

        Raises:
            RunError: nothing was fitted.
        """
        if self.calibration is None:
            raise RunError(f"{self.origin.name} keeps no recalibration; ask for its probabilities as they are.")
        return self.calibration.applied(decided)


def outputs_of(run: Run) -> Outputs:
    """Those of a finished run with a task.

    Raises:
        RunError: it scores no rows, or was made before runs kept names of labels.
    """
    about = run.about
    if run.task is None or about.form is None:
        raise RunError(f"run {run.fingerprint} ({run.kind}) has no predictions: its kind scores no rows.")
    if about.labels is None:
        raise RunError(f"{run.name!r} was made by an older version that kept no label names; fine-tune it again.")
    files = {name: entry.sha256 for name, entry in run.artefact.manifest().files.items()}
    origin = Origin.of(run.name, run.fingerprint, files)
    return Outputs(origin, about.labels, about.titles or about.labels, about.form, about.calibration)
