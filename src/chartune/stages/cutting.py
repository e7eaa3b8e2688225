"""Cutting: how documents become what a language model reads, and under which masks an encoder is scored.

decoder   documents ─pack, or first tokens─▶ blocks: each token is predicted from those before it
encoder   documents ─rows─▶ a piece in each row ─Masker─▶ some tokens are guessed from all others
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, Self

from chartune.batches.masking import Masker, Masking
from chartune.batches.pack import Blocks, around, first_tokens, pack, rows
from chartune.batches.tokenize import Encoded, load_tokenizer
from chartune.errors import ConfigError
from chartune.models.backbone import LocalBackbone

LEAST_TOKENS_PER_WORD: Final = 1.3
"""Of notes: a judgement, set low, so that it needs no tokenizer."""


@dataclass(frozen=True)
class Cutting:
    """How the documents of a corpus are cut for a base model."""

    backbone: LocalBackbone
    max_seq_len: int
    """Tokens of a block, or at most of a row."""
    whole: bool
    """Whether documents are read to their end; else the first `max_seq_len` tokens of each."""
    masker: Masker | None
    """Of an encoder; None: a decoder predicts the next token."""

    @classmethod
    def of(cls, backbone: LocalBackbone, max_seq_len: int, masking: Masking, *, whole: bool) -> Self:
        """For a base model.

        Raises:
            ConfigError: masks are asked of a decoder, or a row has no room for a token of the text.
            AdapterError: an encoder has no mask token.
        """
        must_suit(masking, backbone)
        if backbone.family.is_decoder:
            return cls(backbone, max_seq_len, whole, None)
        tokenizer = load_tokenizer(backbone)
        if max_seq_len <= (taken := sum(map(len, around(tokenizer)))):
            raise ConfigError(
                f"max_seq_len must leave room for text beside the {taken} special tokens of {backbone.name}, but got "
                f"{max_seq_len}; use `--set max_seq_len=128`."
            )
        return cls(backbone, max_seq_len, whole, Masker.of(tokenizer, masking, backbone.name))

    @cached_property
    def tokenizer(self) -> Any:
        """Of the base model."""
        return load_tokenizer(self.backbone)

    def blocks(self, documents: Encoded, *, whole: bool) -> Blocks:
        """Documents without special tokens as blocks; `whole`: to their end."""
        if self.masker is not None:
            return rows(documents, self.tokenizer, self.max_seq_len, first_only=not whole)
        return (pack if whole else first_tokens)(documents, self.tokenizer, self.max_seq_len)

    def scored(self, blocks: Blocks) -> Blocks:
        """Blocks as they are read to be scored: of an encoder under masks that are the same in every run."""
        return blocks if self.masker is None else self.masker.evaluated(blocks)

    def facts(self) -> dict[str, Any]:
        """What a run records of masks: `masking` of an encoder, nothing of a decoder."""
        return {} if self.masker is None else {"masking": self.masker.masking.model_dump(mode="json")}


def must_suit(masking: Masking, backbone: LocalBackbone) -> None:
    """Refuse masks for a decoder. Raises ConfigError."""
    if backbone.family.is_decoder and masking != Masking():
        raise ConfigError(
            f"`masking` is for encoders, which guess masked tokens, but {backbone.name} is a decoder "
            f"({backbone.family.model_type}) and predicts the next one; leave `masking` out, or choose an encoder."
        )


def least_blocks(counts: Mapping[str, Any], max_seq_len: int, *, whole: bool) -> int:
    """How many blocks a split of a corpus makes for a decoder at least, before it is tokenised.

    Args:
        counts: of that split, as its data say: `documents`, `words`.
        max_seq_len: tokens of a block.
        whole: whether documents are read to their end.
    """
    packed = int(counts.get("words", 0) * LEAST_TOKENS_PER_WORD / max_seq_len)
    return packed if whole else int(counts.get("documents", 0))
