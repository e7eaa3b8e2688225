"""`--method`: what is trained, by its kind in the catalog of methods; listed without torch."""

from typing import Annotated, Any, Final

import typer

from chartune.adapters.catalog import METHODS, REFUSED
from chartune.cli.options import one_of

HEAD_ONLY: Final = "head-only"
TFIDF: Final = "tfidf"
STRUCTURED: Final = "structured"
PRIOR: Final = "prior"
ENSEMBLE: Final = "ensemble"
LINEAR_PROBE: Final = "linear-probe"
PROMPTED: Final = "prompted"
BASELESS: Final = {
    TFIDF: "TF-IDF", STRUCTURED: "Structured data", PRIOR: "The prior", ENSEMBLE: "An ensemble",
}  # fmt: skip
"""Methods without a base model, and what they are called."""


FinetuneMethodOption = Annotated[
    str | None,
    typer.Option(
        "--method", parser=one_of(METHODS, (HEAD_ONLY, LINEAR_PROBE, PROMPTED, *BASELESS), refused=REFUSED),
        metavar="|".join((*METHODS, HEAD_ONLY, LINEAR_PROBE, PROMPTED, *BASELESS)),
        help="What is trained: a fresh layer (default: lora), every weight (full), the head only (linear-probe: by "
        "regression on frozen embeddings), nothing (prompted: the likelihood of labels), TF-IDF, a model of structured "
        "data, the prior, an ensemble of runs.",
    ),
]  # fmt: skip
PretrainMethodOption = Annotated[
    str | None,
    typer.Option(
        "--method",
        parser=one_of(METHODS, refused=REFUSED),
        metavar="|".join(METHODS),
        help="How the base model is adapted. Default: lora.",
    ),
]


def fresh(method: str | None) -> list[dict[str, Any]]:
    """The fresh layers that a method stands for, as plain data; None: a layer by default."""
    if method is None:
        return [{"kind": "fresh"}]
    return [] if method in (HEAD_ONLY, LINEAR_PROBE) else [{"kind": "fresh", "method": {"kind": method}}]
