"""Patterns that do not mind case, searched in small letters where that is the same: in ASCII, and in half the time.

Beyond ASCII some letters grow when they are made small, and some count as others, so that places would shift.
"""

import re
from collections.abc import Callable, Iterator


def caseless(pattern: str) -> Callable[[str], Iterator[re.Match[str]]]:
    r"""What finds all matches of a pattern, case apart; places are those of the text, letters may be small ones.

    Args:
        pattern: without capitals, but in names of classes such as `\S`.
    """
    small, any_case = re.compile(pattern), re.compile(pattern, re.IGNORECASE)

    def matches(text: str) -> Iterator[re.Match[str]]:
        return small.finditer(text.lower()) if text.isascii() else any_case.finditer(text)

    return matches
