"""`--method`: what is trained, by its kind in the catalog of methods; listed without torch."""

from collections.abc import Callable
from typing import Annotated, Any, Final

import typer

from chartune.adapters.catalog import METHODS

HEAD_ONLY: Final = "head-only"
TFIDF: Final = "tfidf"
USUAL: Final = "lora"


def _one_of(*beside: str) -> Callable[[str], str]:
    """A parser of flags: a method of the catalog as it is now, or one of `beside`."""

    def method(text: str) -> str:
        known = (*METHODS, *beside)
        if text not in known:
            raise typer.BadParameter(f"must be one of {', '.join(known)}, but got {text[:40]!r}.")
        return text

    return method


FinetuneMethodOption = Annotated[
    str | None,
    typer.Option(
        "--method", parser=_one_of(HEAD_ONLY, TFIDF), metavar="|".join((*METHODS, HEAD_ONLY, TFIDF)),
        help="What is trained: a fresh layer (default: lora), every weight (full), the head only, or TF-IDF.",
    ),
]  # fmt: skip
PretrainMethodOption = Annotated[
    str | None,
    typer.Option(
        "--method", parser=_one_of(), metavar="|".join(METHODS), help="How the base model is adapted. Default: lora."
    ),
]


def fresh(method: str) -> list[dict[str, Any]]:
    """The fresh layers that a method stands for, as plain data."""
    return [] if method == HEAD_ONLY else [{"kind": "fresh", "method": {"kind": method}}]
