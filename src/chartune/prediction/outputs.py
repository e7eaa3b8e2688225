"""Outputs: what has learnt, and what its numbers mean: names of labels, the form of the answer, its recalibration.

decided: log-odds [n] of one outcome, else logits [n, outputs] ─▶ probabilities, recalibrated on request
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from chartune.answers import Answer
from chartune.errors import RunError
from chartune.runs.record import Calibration
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
    """How probabilities are recalibrated; None: the form has none."""

    @property
    def classes_(self) -> NDArray[np.str_]:
        """Names of the columns of `predict_proba`, [labels]."""
        return np.asarray(self.labels)

    def probability(self, decided: NDArray[np.float64], *, recalibrated: bool = False) -> NDArray[np.float64]:
        """Probability of each label, [n, labels]; of one outcome that of its presence, [n].

        Args:
            decided: what is scored of each text.
            recalibrated: by the intercept and slope that were fitted on the validation split.

        Raises:
            RunError: it is to be recalibrated, and nothing was fitted.
        """
        return self.form.probabilities(self.recalibrated(decided) if recalibrated else decided)

    def recalibrated(self, decided: NDArray[np.float64]) -> NDArray[np.float64]:
        """Log-odds after the recalibration fitted on the validation split, [n].

        Raises:
            RunError: nothing was fitted.
        """
        if self.calibration is None:
            raise RunError(f"{self.origin.name} keeps no recalibration; ask for its probabilities as they are.")
        return self.calibration.intercept + self.calibration.slope * decided


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
