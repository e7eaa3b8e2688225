"""Lines of a note: what is read of it where a task is about a span or a pair of spans and not about the whole."""

import re
from bisect import bisect_right


class NoteLines:
    """A text with its lines; offsets count characters from 0."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._starts = [0, *(line_break.end() for line_break in re.finditer("\n", text))]

    def lines(self, start: int, end: int) -> tuple[int, int]:
        """The first and the last line, counted from 0, that characters `start` to `end` (exclusive) touch."""
        return bisect_right(self._starts, start) - 1, bisect_right(self._starts, max(start, end - 1)) - 1

    def excerpt(self, first: int, last: int) -> tuple[str, int]:
        """The text of these lines without its last line break, and the offset at which it begins."""
        start = self._starts[first]
        following = self._starts[last + 1] if last + 1 < len(self._starts) else len(self._text)
        return self._text[start:following].rstrip("\r\n"), start
