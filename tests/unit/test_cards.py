"""Cards: whatever a name holds is shown as letters, in text as in code."""

import ast
import re

import pytest

from chartune.cards import Section, markdown, quoted

HOSTILE = [
    "![x](http://e.example/p.png)", "[x](javascript:alert(1))", "[x][y]", "[x]: http://e.example", "<img src=x>",
    "a | b", "**x* y_ _z_ __w__", "`code` and `` `more` ``", "# heading", "- item", "1. item", "=== rule", "$x$ ~~y~~",
    "line\nbreak\n\n# heading", "\\![x](y)", "\\`", "`a``b`", "`[x](y)`",
]  # fmt: skip


def visible(line: str) -> str:
    """What a reader sees of a line in which nothing but escapes, entities, our code and our bold words is markup."""
    line = re.sub(r"\\([!-/:-@\[-`{-~])", lambda found: f"\0{ord(found[1])}\0", line)
    assert not re.search(r"!?\[[^\]]*\][(\[:]|<|>|\*(?!\*)\w|\|", line.replace("**", "")), line
    for entity, letter in (("&lt;", "<"), ("&gt;", ">"), ("&amp;", "&")):
        line = line.replace(entity, letter)
    return re.sub("\0(\\d+)\0", lambda found: chr(int(found[1])), line)


@pytest.mark.parametrize("text", HOSTILE)
def test_a_name_is_shown_as_its_letters_in_every_part_of_a_card(text: str) -> None:
    plain = " ".join(text.split())
    parts = Section(text, (text,), ((text, text),), (text, "b"), ((text, "b"),))
    title, heading, paragraph, fact, *rows = [line for line in markdown(text, [parts]).splitlines() if line]
    assert visible(title.removeprefix("# ")) == visible(heading.removeprefix("## ")) == plain
    assert visible(paragraph) == plain
    assert not re.match(r"#|[-+=~\[]|\d+[.)]", paragraph)
    assert visible(fact.removeprefix("- **").replace(":** ", " ", 1)) == f"{plain} {plain}"
    for row in (rows[0], rows[2]):
        assert visible(row.removeprefix("| ").removesuffix(" | b |")) == plain


def test_our_own_code_and_bold_words_stay() -> None:
    assert "\nThe head is in `head.safetensors`. **Restricted.** length_of_stay\n" in markdown(
        "x", [Section("y", ("The head is in `head.safetensors`. **Restricted.** length_of_stay",))]
    )


@pytest.mark.parametrize(
    "text", ["org/model", 'x")\nimport os\nos.system("y', "it's", "\\", "```\n", "a'b\"c", "\u2028", "C:\\new"]
)
def test_a_quoted_name_is_a_literal_and_nothing_else(text: str) -> None:
    assert ast.literal_eval(quoted(text)) == text
    assert len(quoted(text).splitlines()) == 1


def test_code_cannot_end_its_own_block() -> None:
    card = markdown("x", [Section("y", code="a = 1\n```\n# out")])
    assert "\n````python\na = 1\n```\n# out\n````\n" in card
