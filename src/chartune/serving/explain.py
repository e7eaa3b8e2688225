"""Explain: what a task would say of a note without each of its sentences (occlusion).

    text as sent ─as it is read─▶ sentences that are read ─▶ S + 1 texts: the whole, and each without one sentence
                                └▶ sentences that are not                  └▶ change = whole - without

Nothing moves up: of a note that is cut, what lies behind the cut is read in none of these texts. Where a sentence is
left out, the blanks behind it go with it. A change says what the model makes of the words, and nothing of the patient:
two sentences that say the same hide each other, and a note without a sentence is a note that nobody wrote.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from chartune.notes.sentences import Span, grouped, sentences
from chartune.notes.traced import Traced
from chartune.prediction.outputs import Outputs

MOST: Final = 64
"""Parts that are left out in turn, at most; of a note with more sentences neighbours are left out together."""


class Piece(NamedTuple):
    """One sentence or neighbouring ones, which are left out together."""

    span: Span
    """In the text as it is read."""
    sentences: int
    whole: bool
    """Whether all of it is read."""


@dataclass(frozen=True)
class Occlusion:
    """What is asked to explain a note."""

    given: Traced
    """The text as it is read, with its places in the text as it was sent."""
    read: tuple[Span, ...]
    """Where it is read, in the text as it is read."""
    sentences: int
    """Of the note, read or not."""
    pieces: tuple[Piece, ...]
    unread: tuple[tuple[Span, int], ...]
    """Neighbouring sentences that are not read, and how many."""
    texts: tuple[str, ...]
    """The note, then the note without each piece; empty where nothing would be left."""

    def sent(self, span: Span) -> Span:
        """A place in the text as it was sent."""
        return Span(self.given.origin(span.start), self.given.origin(span.end - 1) + 1)


def occlusion(given: Traced, read: Sequence[Span], most: int) -> Occlusion:
    """Sentences to be left out of a note, and the texts without them.

    Args:
        given: the note as it is read.
        read: where the task reads it.
        most: parts, at most; 0: none is left out.
    """
    every = sentences(given.text)
    seen = [_shared(span, read, given.text) for span in every]
    kept = [(span, part) for span, part in zip(every, seen, strict=True) if part]
    partly = [own for own, part in kept if part < _inked(given.text, own)]
    pieces = [
        Piece(span, count, not any(_within(own, span) for own in partly))
        for span, count in _parts(every, [part > 0 for part in seen], most)
    ]
    texts = [given.text, *(_without(given.text, read, piece.span) for piece in pieces)]
    unread = _neighbours(every, [not part for part in seen])
    return Occlusion(given, tuple(read), len(every), tuple(pieces), tuple(unread), tuple(texts))


def label_number(outputs: Outputs, asked: str | None, decided: NDArray[np.float64]) -> int:
    """Which label is explained: the one asked for, the outcome, or that of the highest probability.

    Args:
        outputs: of a task on whole texts.
        asked: the name of one of its labels; None: as said.
        decided: what is scored of the note, [1] or [1, outputs].

    """
    if asked is not None:
        return outputs.labels.index(asked)
    return 1 if outputs.form.one_outcome else int(outputs.probability(decided)[0].argmax())


def log_odds(outputs: Outputs, decided: NDArray[np.float64], label: int) -> NDArray[np.float64]:
    """Log-odds of one label against all others, [n]: of the probability that is shown, recalibrated where it is.

    Args:
        outputs: of a task on whole texts.
        decided: what is scored, [n] or [n, outputs].
        label: its number.
    """
    mended = outputs.recalibrated(decided) if outputs.recalibrates(None) else decided
    if outputs.form.one_outcome:
        return mended if label == 1 else -mended
    if outputs.form.several:
        return mended[:, label]
    return np.asarray(mended[:, label] - np.logaddexp.reduce(np.delete(mended, label, axis=1), axis=1))


def probability_of(outputs: Outputs, decided: NDArray[np.float64], label: int) -> NDArray[np.float64]:
    """The probability of one label, [n]; arguments as of `log_odds`."""
    every = outputs.probability(decided)
    return every[:, label] if every.ndim == 2 else every if label == 1 else 1 - every


def _parts(every: Sequence[Span], seen: Sequence[bool], most: int) -> list[tuple[Span, int]]:
    """Sentences that are read in at most so many parts, none of which holds what is not read, if that can be."""
    if not most:
        return []
    runs = _neighbours(every, seen)
    own = [[span for span in every if _within(span, run)] for run, _ in runs]
    if len(runs) > most:
        return grouped([span for spans in own for span in spans], most)
    room, parts = most, list[tuple[Span, int]]()
    for number, spans in enumerate(own):
        left = sum(len(later) for later in own[number:])
        share = max(1, min(room - (len(own) - number - 1), round(room * len(spans) / left)))
        parts += (made := grouped(spans, share))
        room -= len(made)
    return parts


def _inked(text: str, span: Span) -> int:
    """How many characters of a place are no blanks."""
    return len("".join(text[slice(*span)].split()))


def _shared(span: Span, read: Sequence[Span], text: str) -> int:
    """How many characters of a span are read, blanks left out."""
    parts = (Span(max(span.start, each.start), min(span.end, each.end)) for each in read)
    return sum(_inked(text, part) for part in parts if part.end > part.start)


def _within(span: Span, other: Span) -> bool:
    return other.start <= span.start and span.end <= other.end


def _without(text: str, read: Sequence[Span], left_out: Span) -> str:
    """What is read of a text but for one place and the blanks behind it; what has a gap between goes in lines."""
    rest = text[left_out.end :]
    end = left_out.end + len(rest) - len(rest.lstrip())
    made, reached = "", None
    for each in read:
        for part in (Span(each.start, min(each.end, left_out.start)), Span(max(each.start, end), each.end)):
            if part.end <= part.start:
                continue
            is_next = reached is None or reached == part.start or (reached, part.start) == (left_out.start, end)
            made += ("" if is_next else "\n") + text[slice(*part)]
            reached = part.end
    return made.strip()


def _neighbours(spans: Sequence[Span], chosen: Sequence[bool]) -> list[tuple[Span, int]]:
    """Those that are chosen, neighbours together."""
    runs: list[tuple[Span, int]] = []
    before = False
    for span, is_chosen in zip(spans, chosen, strict=True):
        if is_chosen and before:
            runs[-1] = (Span(runs[-1][0].start, span.end), runs[-1][1] + 1)
        elif is_chosen:
            runs.append((span, 1))
        before = is_chosen
    return runs
