"""Places of i2b2 2010, `line:token` to `line:token`, as character offsets.

    line 1   ·He  has   pain      a leading blank, runs of blanks
    token     0   1     2         as runs of blanks separate them
    token    0 1 2 3 4 5 6        as every single blank does, which some annotations count by

Both ways of counting are tried, the quoted words decide. Where neither spells them but one place on these lines does,
that one is taken, and counted.
"""

import re
from typing import Final

from chartune.sources.annotated.spelling import Span, key, spelt

SINGLE: Final = "its tokens are counted by every single blank"
ELSEWHERE: Final = "its words stand at another token of the line, the only place there that spells them"
_RUNS: Final = re.compile(r"[^ \t\r]+")
_SINGLE: Final = re.compile(r"(?:^|(?<= ))[^ \r]*")


class Lines:
    """A note with its lines and tokens at hand."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._starts = [0, *(line_break.end() for line_break in re.finditer("\n", text))]

    def span(self, first: str, last: str, words: str) -> tuple[Span | None, str]:
        """The characters from one place to another, both inclusive.

        Args:
            first: such as `1:2`, lines counted from 1, tokens from 0.
            last: the same.
            words: what the annotation quotes there.

        Returns:
            The span (None: these words do not stand there) and what should be said of it (empty: nothing).
        """
        (line, token), (line_to, token_to) = _numbers(first), _numbers(last)
        for tokens, remark in ((_RUNS, ""), (_SINGLE, SINGLE)):
            start, end = self._token(line, token, tokens), self._token(line_to, token_to, tokens)
            if start and end and spelt(self.text, [(start[0], end[1])], words):
                return (start[0], end[1]), remark
        only = self._only(line, line_to, words)
        return only, ELSEWHERE if only else ""

    def _line(self, number: int) -> Span | None:
        """Start and end of a line, its line break apart; None: there is no such line."""
        if not 1 <= number <= len(self._starts):
            return None
        following = self._starts[number] - 1 if number < len(self._starts) else len(self.text)
        return self._starts[number - 1], following

    def _token(self, line: int, token: int, tokens: re.Pattern[str]) -> Span | None:
        place = self._line(line)
        if place is None:
            return None
        spans = [token_match.span() for token_match in tokens.finditer(self.text[place[0] : place[1]])]
        return (place[0] + spans[token][0], place[0] + spans[token][1]) if token < len(spans) else None

    def _only(self, line: int, line_to: int, words: str) -> Span | None:
        """The only run of whole tokens on these lines that spells the words."""
        first, last = self._line(line), self._line(line_to)
        if first is None or last is None or not key(words):
            return None
        spans = [(first[0] + match.start(), first[0] + match.end())
                 for match in re.finditer(r"[^ \t\r\n]+", self.text[first[0] : last[1]])]  # fmt: skip
        count = len(words.split())
        runs = [(spans[n][0], spans[n + count - 1][1]) for n in range(len(spans) - count + 1)]
        fitting = [run for run in runs if spelt(self.text, [run], words)]
        return fitting[0] if len(fitting) == 1 else None


def _numbers(place: str) -> tuple[int, int]:
    line, _, token = place.partition(":")
    return int(line), int(token)
