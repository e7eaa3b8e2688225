"""Names and titles: one printable line, and nothing that a file, a table or a run could be taken for."""

import pytest

from chartune.config import Config
from chartune.errors import ConfigError
from chartune.names import Name, Title, checked_title, named


class Called(Config):
    name: Name = "x"
    title: Title = "x"


@pytest.mark.parametrize("text", ["", "  ", "two\nlines", "bell\a", "right\u202eleft", "x" * 201])
def test_neither_a_name_nor_a_title(text: str) -> None:
    for field in ("name", "title"):
        with pytest.raises(ConfigError, match=f"{field}: a name must"):
            Called.parse({field: text})
    with pytest.raises(ConfigError, match="--title: a name must"):
        checked_title(text, "--title")


@pytest.mark.parametrize("code", [0x3164, 0x2800, 0x115F, 0x1160, 0xFFA0, 0x1D159, 0x34F, 0xFE0F, 0x3000, 0xA0])
def test_what_is_drawn_as_nothing_is_blank(code: int) -> None:
    with pytest.raises(ConfigError, match="a name must not be blank"):
        checked_title(f" {chr(code)}", "--title")


@pytest.mark.parametrize("text", ["a/b", "..", "<b>", "a|b", "`x`", "a\\b", "0123456789abcdef"])
def test_a_title_but_no_name(text: str) -> None:
    with pytest.raises(ConfigError, match="name: a name must"):
        Called.parse({"name": text})
    assert Called.parse({"title": text}).title == text


@pytest.mark.parametrize("text", ["LoRA on small-llama, r=8: [x]", "ümläut", "0123456789abcde", "患者"])
def test_what_people_call_their_runs(text: str) -> None:
    assert Called.parse({"name": text, "title": text}).name == text
    assert named(text) == text


def test_a_name_made_of_values_is_a_name() -> None:
    assert Called.parse({"name": named("clinical name=org/model\n|x|" + "y" * 300)}).name.startswith(
        "clinical name=org-model--x-"
    )
