"""Prompts: a task in words, examples with their labels, and a text whose label is asked; as tokens of a causal model.

    instruction ⏎⏎ template of example 1 with its label ⏎⏎ … ⏎⏎ template of the text, up to where its label begins
    ─tokens─▶ context [T];  " died" ─tokens behind that─▶ what each label would add, [≥ 1]

What does not fit is cut off the end of the text that is asked about, of a pair off the longer side, and never off the
prompt. Examples are cut to a length of their own. Blanks before a label belong to it, as tokenizers have them.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from chartune.batches.tokenize import whole_words
from chartune.errors import ConfigError
from chartune.models.tokenizer import tokenised
from chartune.notes.text_pair import Text, TextPair

TEXT, PAIR, LABEL = "{text}", "{text_pair}", "{label}"
SINGLE: Final = f"{TEXT}\nAnswer: {LABEL}"
"""The template of texts, where none is given."""
DOUBLE: Final = f"{TEXT}\n{PAIR}\nAnswer: {LABEL}"
"""That of pairs of texts."""
_FIELD: Final = re.compile(r"\{text\}|\{text_pair\}|\{label\}")


@dataclass(frozen=True)
class Wording:
    """What a prompt is made of."""

    instruction: str
    """Stands before everything; empty: nothing does."""
    template: str
    """Of a text and its label, `{label}` at its end."""
    verbalizers: tuple[str, ...]
    """What stands for each label, in their order."""
    separator: str = "\n\n"
    """Between instruction, examples, and the text that is asked about."""
    examples: tuple[tuple[Text, int], ...] = ()
    """Texts with the numbers of their labels, cut already."""


@dataclass(frozen=True)
class Asked:
    """A text within its prompt."""

    context: NDArray[np.int64]
    """All tokens before the label, [T]."""
    tokens: int
    """Of the text (of both of a pair) before it was cut."""
    read: int
    """Of it that are in the context."""
    words: int
    """Whole words of it that are."""

    @property
    def cut(self) -> bool:
        """Whether something of the text is left out."""
        return self.read < self.tokens


class Prompter:
    """Makes prompts of one wording with one tokenizer."""

    def __init__(self, wording: Wording, tokenizer: Any, max_seq_len: int) -> None:
        """max_seq_len: tokens of a prompt with its longest label, special ones included.

        Raises:
            ConfigError: two labels are the same tokens, or the prompt leaves no room for a token of a text.
        """
        self.wording, self.tokenizer, self.max_seq_len = wording, tokenizer, max_seq_len
        template = wording.template.removesuffix(LABEL)
        self.asks = template.rstrip()
        self.blank = template[len(self.asks) :]
        self.head = "".join(f"{part}{wording.separator}" for part in self._before())
        self.start = _start(tokenizer)
        tail = _FIELD.split(self.asks)[-1]
        self.labels = [self._label(tail, word) for word in wording.verbalizers]
        if len({tuple(ids) for ids in self.labels}) < len(self.labels):
            raise ConfigError(
                "labels must be told from each other by their tokens, but two of them are the same; give them other "
                "`verbalizers`."
            )
        self.room = max_seq_len - max(map(len, self.labels))
        self.fixed = len(self._context(_filled(self.asks, _empty(self.asks))))
        if self.fixed >= self.room:
            raise ConfigError(
                f"a prompt must leave room for a token of the text that is asked about, but without any it has "
                f"{self.fixed} tokens and the longest label {max_seq_len - self.room}, of {max_seq_len} in all; "
                f"shorten `instruction` or `example_tokens`, ask with fewer `examples`, or raise max_seq_len."
            )

    def asked(self, text: Text) -> Asked:
        """A text within its prompt, cut to fit."""
        sides = (text,) if isinstance(text, str) else tuple(text)
        spans = [_spans(side, self.tokenizer) for side in sides]
        kept = [len(each) for each in spans]
        while True:
            shown = [side if n == len(each) else side[: each[n - 1][1] if n else 0]
                     for side, each, n in zip(sides, spans, kept, strict=True)]  # fmt: skip
            context = self._context(_filled(self.asks, shown))
            over = len(context) - self.room
            if over <= 0:
                break
            kept = shortened(kept, over)
        words = sum(whole_words(side, len(part)) for side, part in zip(sides, shown, strict=True))
        return Asked(np.asarray(context, dtype=np.int64), sum(map(len, spans)), sum(kept), words)

    def _before(self) -> list[str]:
        """The instruction, and the examples with their labels."""
        wording = self.wording
        parts = [wording.instruction] if wording.instruction else []
        for text, label in wording.examples:
            sides = [text] if isinstance(text, str) else list(text)
            parts.append(_filled(wording.template.removesuffix(LABEL), sides) + wording.verbalizers[label])
        return parts

    def _context(self, asked: str) -> list[int]:
        return [*self.start, *_ids(self.head + asked, self.tokenizer)]

    def _label(self, tail: str, word: str) -> list[int]:
        """What a label adds to the tokens of what stands before it."""
        before = _ids(tail, self.tokenizer)
        return _ids(f"{tail}{self.blank}{word}", self.tokenizer)[len(before) :]


def must_be_template(template: str) -> None:
    """Raises ValueError: a template lacks a text, or its label is not at its end, or touches the text."""
    counts = [template.count(field) for field in (TEXT, LABEL)]
    between = _FIELD.split(template.removesuffix(LABEL))[-1]
    if counts != [1, 1] or template.count(PAIR) > 1 or not template.endswith(LABEL) or not between.strip():
        raise ValueError(
            "a template must have {text} once (and of pairs {text_pair}), words behind it, and end with {label}, such "
            f"as {SINGLE!r}"
        )


def cut_to(text: Text, tokens: int, tokenizer: Any) -> Text:
    """The beginning of a text, or of each of a pair, of at most so many tokens."""
    if isinstance(text, TextPair):
        return TextPair(*(str(cut_to(side, tokens, tokenizer)) for side in text))
    spans = _spans(text, tokenizer)
    return text if len(spans) <= tokens else text[: spans[tokens - 1][1]]


def shortened(lengths: Sequence[int], over: int) -> list[int]:
    """Lengths after so many tokens are taken away, one by one from the longest (of equal ones from the last)."""
    if len(lengths) == 1:
        return [max(0, lengths[0] - over)]
    first, second = lengths
    apart = first - second
    if abs(apart) >= over:
        return [first - over, second] if apart > 0 else [first, second - over]
    left = max(0, first + second - over)
    return [left - left // 2, left // 2]


def _filled(template: str, sides: Sequence[str]) -> str:
    """A template with its texts. Nothing within a text is taken for a field."""
    by_field = dict(zip((TEXT, PAIR), sides, strict=False))
    return _FIELD.sub(lambda found: by_field[found[0]], template)


def _empty(template: str) -> list[str]:
    return ["", ""] if PAIR in template else [""]


def _ids(text: str, tokenizer: Any) -> list[int]:
    ids: list[int] = tokenised(tokenizer, text, add_special_tokens=False, verbose=False)["input_ids"]
    return ids


def _spans(text: str, tokenizer: Any) -> list[tuple[int, int]]:
    """Where the tokens of a text begin and end in it."""
    coded = tokenised(tokenizer, text, add_special_tokens=False, return_offsets_mapping=True, verbose=False)
    spans: list[tuple[int, int]] = coded["offset_mapping"]
    return spans


def _start(tokenizer: Any) -> list[int]:
    """The special token that the tokenizer begins a text with; nothing where it begins with none."""
    begun = tokenised(tokenizer, "a", verbose=False)["input_ids"][:1]
    return begun if begun and begun[0] == tokenizer.bos_token_id else []
