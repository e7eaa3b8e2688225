"""Sentences with counts in them, such as what a source says of itself: each count becomes its class."""

import re
from typing import Final

from chartune.disclosure.counts import shown

_COUNT: Final = re.compile(
    r"(?<![\w.,:/<+#-])(?<!\brow )(?<!\b[Vv]ersion )(?<!\bbefore )(?<!\bsince )(?<!\bafter )"
    r"(\d{1,3}(?:,\d{3})+|\d+)"
    r"(?![\w%/+-])(?!\.\d)(?![ \N{NO-BREAK SPACE}](?:%|hours?|days?|years?|minutes?|tokens?|words?|characters?)\b)"
)
"""A whole number that stands alone; digits inside a name (`ICD-9`, `v1.4`), of a row, a year or a duration stay."""


def shown_sentence(sentence: str, exact: bool) -> str:
    """`3 rows have no admission` → `<10 rows have no admission`; `exact` as for `shown`."""
    return sentence if exact else _COUNT.sub(lambda match: shown(int(match[1].replace(",", "")), exact), sentence)
