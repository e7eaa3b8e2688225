"""YAML is read within bounds: nothing that a few lines can stand for hangs the reader or ends in a traceback."""

from pathlib import Path
from typing import Literal

import pytest

from chartune.config import Config, override
from chartune.errors import ConfigError
from chartune.yaml_text import MOST_BYTES, MOST_DEPTH, plain

BOMB = "a0: &a0 [x, x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]\n" for n in range(1, 40))
CHAIN = "a0: &a0 {x: 1}\n" + "".join(f"a{n}: &a{n} {{x: *a{n - 1}}}\n" for n in range(1, 3000))
MERGES = "a0: &a0 {x0: 1}\n" + "".join(f"a{n}: &a{n} {{<<: [*a{n - 1}, *a{n - 1}]}}\n" for n in range(1, 40))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (BOMB, "stands for more than"),
        (MERGES, "stands for more than"),
        (CHAIN, "nests its values deeper"),
        ("a: &a [*a]", "an alias of itself"),
        ("a: &a\n  <<: *a", "an alias of itself"),
        ("[" * 100_000, "nests its values deeper"),
        ("a:" * 3 + " {" * 5000, "plain YAML|nests"),
        ("{2001-01-01: x}", "a key is a date"),
        ("a: 2001-99-99", "a value that is none"),
        (f"a: {'9' * 5000}", "a value that is none"),
        ("a: 1\n---\nb: 2", "plain YAML"),
        ("a: !!python/object/apply:os.system [x]", "plain YAML"),
        ("a: \0", "plain YAML"),
        ("? [a]\n: b", "plain YAML|a key is"),
        ("{yes: 1}", "a key is a bool; put it in quotes"),
        ("seed: 1\nname: x\nseed: 2", "'seed' stands in line 1 and again in line 3"),
        ("a: {b: 1}\nc:\n  - {b: 1,\n     'b': 2}", "'b' stands in line 3 and again in line 4"),
        ("seed: 1:2:3:4", "line 1 has 1:2:3:4, which YAML reads as a number to the base 60; put it in quotes if"),
        ("[7, -1:30.5]", "-1:30.5, which YAML reads as a number to the base 60"),
        ("- x\n- code: 010", "line 2 has 010, which YAML reads as a number to the base 8"),
    ],
)
def test_text_that_stands_for_more_than_a_config_is_a_clear_error(tmp_path: Path, text: str, why: str) -> None:
    file = tmp_path / "x.yaml"
    file.write_text(text)
    with pytest.raises(ConfigError, match=why):
        Config.read(file)
    with pytest.raises(ConfigError):
        override({}, [f"a={text}"])


def test_what_people_write_and_mean_is_read_as_ever() -> None:
    text = "a: '010'\nb: \"1:30\"\nc: 0.10\nd: 0\ne: 1e-3\nf: -12\ng: 0x1F\nh: yes\ni: 09:30 o'clock\nj: 08"
    read = {"a": "010", "b": "1:30", "c": 0.1, "d": 0, "e": "1e-3", "f": -12, "g": 31, "h": True, "j": "08"}
    assert plain(text, "x") == {**read, "i": "09:30 o'clock"}


class Asked(Config):
    """Fields of each kind."""

    seed: int = 0
    share: float | None = None
    ranks: tuple[int, ...] = ()
    positive: str | None = None
    mode: Literal["on", "off"] = "on"
    verbose: bool = False


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("seed: yes", "`seed` must be a number, but is a truth value, as which YAML reads yes, no, on and off"),
        ("share: off", "`share` must be a number"),
        ("ranks: [8, on]", "`ranks` must be a number"),
        ("positive: no", "positive: Input should be a valid string, got False; put a text .* in quotes"),
        ("positive: 1", "positive: .* got 1; put a text .* in quotes"),
        ("positive: 2001-01-01", "positive: .* put a text .* in quotes"),
        ("mode: off", "mode: Input should be 'on' or 'off', got False; put a text .* in quotes"),
    ],
)
def test_a_word_that_yaml_takes_for_something_else_is_told_with_the_way_out(text: str, why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        Asked.parse(plain(text, "x"))
    assert Asked.parse(plain("verbose: on\nmode: 'off'\npositive: 'no'\nseed: 7", "x")).verbose


def test_a_file_larger_than_any_config_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_text("#" * (MOST_BYTES + 1))
    (tmp_path / "zero.yaml").symlink_to("/dev/zero")
    for name in ("x.yaml", "zero.yaml"):
        with pytest.raises(ConfigError, match="at most 1024 KiB"):
            Config.read(tmp_path / name)


def test_aliases_merges_and_depth_of_people_are_read() -> None:
    text = "base: &base {rank: 8}\none: *base\ntwo: {<<: *base, alpha: 16}\n"
    assert plain(text, "x") == {"base": {"rank": 8}, "one": {"rank": 8}, "two": {"rank": 8, "alpha": 16}}
    assert plain("[" * MOST_DEPTH + "]" * MOST_DEPTH, "x") is not None
    with pytest.raises(ConfigError):
        plain("[" * (MOST_DEPTH + 1) + "]" * (MOST_DEPTH + 1), "x")
    assert plain("", "x") is None
