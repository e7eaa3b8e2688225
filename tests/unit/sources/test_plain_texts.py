"""Plain text that a user names: every file of a folder in order, bounded, and refused without a word of it."""

import gzip
from pathlib import Path

import pytest

from chartune.errors import DataError
from chartune.sources import plain_texts as plain
from chartune.sources.plain_texts import plain_texts

WORD = "zebrafinch"


def test_the_texts_of_a_folder_come_in_the_order_of_their_paths_without_blank_ones(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "1.txt.gz").write_bytes(gzip.compress(b"second"))
    (tmp_path / "a.txt").write_bytes("\ufefffirst".encode())
    (tmp_path / "c.txt").write_text(" \n")
    (tmp_path / "d.md").write_text("not read")
    assert plain_texts(tmp_path) == ["first", "second"]
    assert plain_texts(tmp_path / "d.md") == ["not read"]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.txt", WORD.encode() + b"\xe5", f"byte {len(WORD)} of .*a.txt is not; convert it"),
        ("a.txt.gz", gzip.compress(WORD.encode())[:-9], "is not, or is damaged"),
        ("a.txt", b" \n", "hold none; name others"),
        ("a.md", WORD.encode(), "is neither; name another"),
        ("a.txt.gz", gzip.compress(WORD.encode() * 10), "it has more; name a part"),
    ],
    ids=["not UTF-8", "damaged", "blank", "none", "too many"],
)
def test_what_is_no_plain_text_is_refused_without_a_word_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, content: bytes, said: str
) -> None:
    monkeypatch.setattr(plain, "LARGEST", 64)
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=said) as refused:
        plain_texts(tmp_path)
    with pytest.raises(DataError, match="is neither"):
        plain_texts(tmp_path / "nowhere")
    assert WORD not in f"{refused.value}{refused.value.__context__!r}"


def test_the_bound_is_that_of_all_files_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plain, "LARGEST", 64)
    for name in ("a.txt", "b.txt"):
        (tmp_path / name).write_text("é" * 20)
    with pytest.raises(DataError, match=r"up to .*b\.txt it has more"):
        plain_texts(tmp_path)
