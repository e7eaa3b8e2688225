"""Term weights: what TF-IDF and its regression have learnt, as plain files. The vocabulary is patients' words.

runs/<fingerprint>/tfidf/   vocabulary.json (restricted: words and phrases of notes)   weights.safetensors
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file, save
from sklearn.feature_extraction.text import TfidfVectorizer

from chartune.errors import RunError
from chartune.models.foreign import reading
from chartune.runs.run import Run
from chartune.store import write_bytes, write_json

FOLDER: Final = "tfidf"
VOCABULARY: Final = f"{FOLDER}/vocabulary.json"
WEIGHTS: Final = f"{FOLDER}/weights.safetensors"


@dataclass(frozen=True)
class Limit:
    """The base model whose token limit cuts the texts."""

    backbone: str
    """Its name."""
    content_hash: str
    max_seq_len: int
    """Tokens of each text."""


@dataclass(frozen=True)
class TermWeights:
    """d terms and K regressions on their frequencies."""

    vectorizer: TfidfVectorizer
    """Texts → weighed term frequencies, [n, d]."""
    coefficients: NDArray[np.float64]
    """[K, d]."""
    intercepts: NDArray[np.float64]
    """[K]."""
    classes: NDArray[np.int64]
    """Numbers of the labels that the training split had."""
    prior: NDArray[np.float32]
    """Logits of the label frequencies of the training split, [outputs]: of a label that it had not."""
    apart: bool
    """Whether each regression was fitted by itself, as where several labels may apply."""
    limit: Limit | None = None
    """What cuts the texts before; None: they are read whole."""

    @classmethod
    def of(
        cls, vectorizer: TfidfVectorizer, model: Any, prior: NDArray[np.float32], limit: Limit | None = None
    ) -> Self:
        """Of a fitted `LogisticRegression`, or of a `OneVsRestClassifier` of them."""
        if not hasattr(model, "estimators_"):
            return cls(vectorizer, model.coef_, model.intercept_, model.classes_.astype(np.int64), prior, False, limit)
        nothing = np.zeros(len(vectorizer.vocabulary_))
        # A label that all training texts have, or none, has no regression but a constant.
        rows = [
            (one.coef_[0], one.intercept_[0]) if hasattr(one, "coef_") else (nothing, float(np.ravel(one.y_)[0]))
            for one in model.estimators_
        ]
        coefficients, intercepts = (np.asarray(part, dtype=np.float64) for part in zip(*rows, strict=True))
        return cls(vectorizer, coefficients, intercepts, np.asarray(model.classes_, dtype=np.int64), prior, True, limit)

    def odds(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """As `decision_function` of the model that was fitted, to the last bit: [n] of one regression, else [n, K]."""
        features = self.vectorizer.transform(texts)
        if len(self.coefficients) > 1 and not self.apart:
            return np.asarray(features @ self.coefficients.T + self.intercepts)
        each = [features @ row + constant for row, constant in zip(self.coefficients, self.intercepts, strict=True)]
        return np.asarray(each[0]) if len(each) == 1 else np.stack(each, axis=1)

    def write(self, folder: Path) -> None:
        """Write both files into the folder of a run."""
        (folder / FOLDER).mkdir(mode=0o700, exist_ok=True)
        terms = sorted(self.vectorizer.vocabulary_, key=self.vectorizer.vocabulary_.__getitem__)
        limit = {"limit": asdict(self.limit)} if self.limit else {}
        write_json(folder / VOCABULARY, {"longest_ngram": self.vectorizer.ngram_range[1], "terms": terms, **limit})
        arrays = {
            "idf": self.vectorizer.idf_, "coefficients": self.coefficients, "intercepts": self.intercepts,
            "classes": self.classes, "prior": self.prior, "apart": np.asarray([self.apart], dtype=np.uint8),
        }  # fmt: skip
        write_bytes(folder / WEIGHTS, save({name: np.ascontiguousarray(array) for name, array in arrays.items()}))

    @classmethod
    def read_from(cls, run: Run) -> Self:
        """Those of a finished run.

        Raises:
            RunError: it was made before runs kept them.
            StoreError: they are damaged.
        """
        if not run.artefact.holds(WEIGHTS):
            raise RunError(
                f"{run.name!r} was made by an older version that kept no vocabulary, so that it can score no new "
                f"texts; fit it again: `chartune finetune --config COPY` with a copy of its stage.yaml."
            )
        kept = json.loads(run.artefact.file(VOCABULARY).read_bytes())
        weights = run.artefact.file(WEIGHTS)
        with reading("safetensors", f"{weights} must hold the weights of this run's terms", "fit it again"):
            arrays = load_file(weights)
        terms = {term: number for number, term in enumerate(kept["terms"])}
        vectorizer = term_frequencies(kept["longest_ngram"], vocabulary=terms)
        vectorizer.idf_ = arrays["idf"]
        return cls(
            vectorizer, arrays["coefficients"], arrays["intercepts"], arrays["classes"], arrays["prior"],
            bool(arrays["apart"]), Limit(**kept["limit"]) if "limit" in kept else None,
        )  # fmt: skip


def term_frequencies(longest_ngram: int, least_documents: int = 1, vocabulary: Any = None) -> TfidfVectorizer:
    """Frequencies of words and phrases, logarithmic, weighed by rarity; each text has length 1.

    Args:
        longest_ngram: words of the longest phrase.
        least_documents: phrases in fewer training texts are left out.
        vocabulary: term → number, where it is known; None: it is learnt.
    """
    return TfidfVectorizer(
        ngram_range=(1, longest_ngram), min_df=least_documents, sublinear_tf=True, vocabulary=vocabulary
    )
