"""docs/support.md is what the code says."""

from pathlib import Path

from chartune.testing.support import page

PAGE = Path(__file__).parents[2] / "docs" / "support.md"


def test_the_support_table_is_what_the_code_says() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "make it again: python -m chartune.testing.support"
