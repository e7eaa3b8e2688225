"""YAML is read within bounds: nothing that a few lines can stand for hangs the reader or ends in a traceback."""

from pathlib import Path

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
    ],
)
def test_text_that_stands_for_more_than_a_config_is_a_clear_error(tmp_path: Path, text: str, why: str) -> None:
    file = tmp_path / "x.yaml"
    file.write_text(text)
    with pytest.raises(ConfigError, match=why):
        Config.read(file)
    with pytest.raises(ConfigError):
        override({}, [f"a={text}"])


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
