"""UmlsBERT's embeddings of semantic types (Michalopoulos et al., 2021, arXiv:2010.10391): whether a base has them.

    model.safetensors: embeddings.tui_type_embeddings.weight [groups + 1, D]
    vocab_updated.txt: word|CUI|GROUP        which token has which type; counts where it lies beside such weights

Without that file its authors' code, too, reads every token as one without a type. How they are read:
`chartune.models.typed_embedding`.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Final

from chartune.models.foreign import is_plain
from chartune.models.local import INDEX, LocalBackbone, ModelFile
from chartune.models.weights import headers

TENSOR: Final = "embeddings.tui_type_embeddings.weight"
"""What its checkpoint calls them; behind `bert.` where it has a head."""
VOCABULARY: Final = "vocab_updated.txt"
"""As the file is called in the authors' repository."""


def is_of_types(name: str, model_type: str) -> bool:
    """Whether a tensor of a checkpoint holds embeddings of semantic types."""
    return model_type == "bert" and f".{name}".endswith(f".{TENSOR}")


def tensor_of_types(weights: Iterable[Path], model_type: str) -> str | None:
    """The name of the tensor that holds them; None: there is none.

    Args:
        weights: the files of a base model's weights.
        model_type: its architecture.
    """
    if model_type != "bert":
        return None
    names = headers(file for file in weights if file.name != INDEX)
    return next((name for name in names if is_of_types(name, model_type)), None)


def types_beside(folder: Path, weights: Iterable[Path], model_type: str) -> list[Path]:
    """The file that says which token has which type, where the weights have embeddings of them; else []."""
    file = folder / VOCABULARY
    return [file] if is_plain(file) and tensor_of_types(weights, model_type) else []


def has_types(backbone: LocalBackbone) -> bool:
    """Whether a base model has such embeddings, read or not."""
    return tensor_of_types(backbone.weights, backbone.family.model_type) is not None


def vocabulary_of(backbone: LocalBackbone) -> ModelFile | None:
    """What says which token has which type; None: they are not read."""
    return next((file for file in backbone.files if file.path.name == VOCABULARY), None)
