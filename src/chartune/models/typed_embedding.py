"""Words with their semantic types, in one embedding: how UmlsBERT is read (`chartune.models.semantic_types`).

    words[id] + positions + segments + types[group of id]      as its authors' code computes; group 0 adds nothing
    └─ words'[id] = words[id] + types[group of id] ─┘          as it is read here, once; the rest is a plain BERT

The group depends on the token's id alone, so both are the same function.
"""

from collections.abc import Iterator
from typing import Any, Final

import torch

from chartune.errors import AdapterError
from chartune.models.foreign import plain_bytes
from chartune.models.local import LocalBackbone, ModelFile
from chartune.models.semantic_types import VOCABULARY, tensor_of_types, vocabulary_of
from chartune.models.tokenizer import load_tokenizer
from chartune.models.weights import stored

GROUPS: Final = ("ANAT", "ACTI", "PHYS", "CHEM", "DISO", "PROC")
"""Groups of semantic types in the order in which the authors' code numbers them, from 1: as their file meets them."""
MOST: Final = 64 << 20
"""Bytes of that file, at most; the authors' has a quarter of a MiB."""
SHORTEST: Final = 3
"""Letters of a word, or of its concept, that the authors' code takes for one."""


def groups_of(backbone: LocalBackbone) -> dict[int, int]:
    """Token id → number of its group, from 1, of the tokens that have a semantic type; none where no file says it.

    A word of the file that is no token has no meaning here.

    Raises:
        AdapterError: the file does not say it as the authors' does.
    """
    file = vocabulary_of(backbone)
    if file is None:
        return {}
    ids = load_tokenizer(backbone).get_vocab()
    return {ids[word]: group for word, group in _words(file) if word in ids}


@torch.no_grad()
def add_types(model: Any, backbone: LocalBackbone) -> None:
    """Add to the embedding of each word that of its semantic type, in place.

    Args:
        model: headless or with a head, its embedding [V, D] in fp32.
        backbone: what it was read from.

    Raises:
        AdapterError: the embeddings of types are of another width, or have no row for a group.
    """
    groups = groups_of(backbone)
    name = tensor_of_types(backbone.weights, backbone.family.model_type) if groups else None
    if name is None:
        return
    words, types = model.get_input_embeddings().weight, stored(backbone.weights)[name][...]
    if types.dim() != 2 or types.shape[1] != words.shape[1] or len(types) <= max(groups.values()):
        raise AdapterError(
            f"embeddings of semantic types must have {len(GROUPS) + 1} rows, as wide as those of words "
            f"({words.shape[1]}), but in {backbone.folder} they are of {list(types.shape)}; copy weights and "
            f"{VOCABULARY} of one model."
        )
    tokens = sorted(groups)
    words[tokens] += types[[groups[token] for token in tokens]].to(words)


def _words(file: ModelFile) -> Iterator[tuple[str, int]]:
    """Each word that has a type, with the number of its group; a line without a bar is a word without one."""
    lines = plain_bytes(file.path, MOST).decode("utf-8", "replace").split("\n")
    for number, line in enumerate(lines, start=1):
        word, *rest = line.strip().replace(" ", "").split("|")
        if not rest or min(len(word), len(rest[0])) < SHORTEST:
            continue
        if len(rest) != 2 or rest[1] not in GROUPS:
            raise AdapterError(
                f"a word with a semantic type must stand as word|CUI|GROUP, with one of the groups "
                f"{', '.join(GROUPS)}, but line {number:,} of {file.path} does not; copy {VOCABULARY} of the authors' "
                f"repository, or correct the line."
            )
        yield word, GROUPS.index(rest[1]) + 1
