"""Term weights: what TF-IDF and its regression have learnt, as plain files. The vocabulary is patients' words.

runs/<fingerprint>/tfidf/   vocabulary.json (restricted: words and phrases of notes)   weights.safetensors
                            regressions-000.safetensors, …: some labels each, so that memory never holds them all
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import count, takewhile
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file, save
from sklearn.feature_extraction.text import TfidfVectorizer

from chartune.errors import RunError
from chartune.models.foreign import reading
from chartune.runs.run import Run
from chartune.stages.regressions import Regressions, joined
from chartune.store import write_bytes, write_json

FOLDER: Final = "tfidf"
VOCABULARY: Final = f"{FOLDER}/vocabulary.json"
WEIGHTS: Final = f"{FOLDER}/weights.safetensors"
PART: Final = "regressions-{:03}.safetensors"


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
    regressions: Iterable[Regressions]
    """K in all, in the order of `classes`; may be gone through more than once."""
    classes: NDArray[np.int64]
    """Numbers of the labels that the training split had."""
    prior: NDArray[np.float32]
    """Logits of the label frequencies of the training split, [outputs]: of a label that it had not."""
    limit: Limit | None = None
    """What cuts the texts before; None: they are read whole."""

    def odds(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """Log-odds as those of the model when it was fitted, to the last bit: [n] of one regression, else [n, K]."""
        features = self.vectorizer.transform(texts)
        return joined([part.odds(features) for part in self.regressions])

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
        arrays = _arrays(run.artefact.file(WEIGHTS))
        terms = {term: number for number, term in enumerate(kept["terms"])}
        vectorizer = term_frequencies(kept["longest_ngram"], vocabulary=terms)
        vectorizer.idf_ = arrays["idf"]
        regressions = (_regressions(arrays),) if "coefficients" in arrays else Kept.of(run)
        limit = Limit(**kept["limit"]) if "limit" in kept else None
        return cls(vectorizer, regressions, arrays["classes"], arrays["prior"], limit)


@dataclass(frozen=True)
class Kept:
    """Regressions in files: one file at a time is read."""

    files: tuple[Path, ...]

    @classmethod
    def of(cls, run: Run) -> Self:
        """Those of a finished run. Raises StoreError: a file is damaged."""
        names = (f"{FOLDER}/{PART.format(number)}" for number in count())
        return cls(tuple(run.artefact.file(name) for name in takewhile(run.artefact.holds, names)))

    def __iter__(self) -> Iterator[Regressions]:
        """The regressions, file by file, in the order of the labels."""
        for file in self.files:
            yield _regressions(_arrays(file))


def write_terms(
    folder: Path, vectorizer: TfidfVectorizer, classes: NDArray[np.int64], prior: NDArray[np.float32],
    limit: Limit | None,
) -> None:  # fmt: skip
    """Write all but the regressions into the folder of a run; arguments as the fields of `TermWeights`."""
    (folder / FOLDER).mkdir(mode=0o700, exist_ok=True)
    terms = sorted(vectorizer.vocabulary_, key=vectorizer.vocabulary_.__getitem__)
    cut = {"limit": asdict(limit)} if limit else {}
    write_json(folder / VOCABULARY, {"longest_ngram": vectorizer.ngram_range[1], "terms": terms, **cut})
    write_bytes(folder / WEIGHTS, save({"idf": vectorizer.idf_, "classes": classes, "prior": prior}))


def keep(folder: Path, parts: Iterable[Regressions]) -> Iterator[Regressions]:
    """Write each into the folder of a run before it is handed on, so that nobody need hold them all."""
    (folder / FOLDER).mkdir(mode=0o700, exist_ok=True)
    for number, part in enumerate(parts):
        arrays = {name: np.ascontiguousarray(array) for name, array in vars(part).items()}
        write_bytes(folder / FOLDER / PART.format(number), save(arrays))
        yield part


def _arrays(file: Path) -> dict[str, NDArray[Any]]:
    with reading("safetensors", f"{file} must hold the weights of this run's terms", "fit it again"):
        return load_file(file)


def _regressions(arrays: Mapping[str, NDArray[Any]]) -> Regressions:
    return Regressions(arrays["coefficients"], arrays["intercepts"])


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
