"""Lost words: how much of documents a run did not read, and how many annotated spans its tags cannot say."""

from collections.abc import Mapping
from typing import Final

from chartune.disclosure import shown

_LOSSES: Final = {
    "words_unread": ("words", "words are not read: they lie behind the last window, or no token holds them"),
    "spans_no_tags_can_say": (
        "spans", "annotated spans cannot be predicted: they overlap another one, an end of them lies within a word or "
        "a token, or they are not read",
    ),
}  # fmt: skip


def lost_words(counts: Mapping[str, Mapping[str, int]] | None, exact: bool) -> list[str]:
    """A line for each split of which something is lost; none: nothing is.

    Args:
        counts: the entry `words` of run.json; None: the run predicts no spans.
        exact: whether exact small counts may be shown.
    """
    return [
        f"{split}: {shown(counted[lost], exact)} of {shown(counted[whole], exact)} {why}"
        for split, counted in (counts or {}).items()
        for lost, (whole, why) in _LOSSES.items()
        if counted[lost]
    ]
