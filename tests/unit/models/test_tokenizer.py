"""Tokenizers that lack what others have: no padding, no start, no end, tokens of no letters."""

import json
import re
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest

import chartune
from chartune.batches.pack import pack
from chartune.batches.tokenize import encode
from chartune.models.backbone import LocalBackbone, inspect
from chartune.models.tokenizer import load_tokenizer, padding_of, padding_stand_in, tokenised

SPECIAL = ("bos_token", "eos_token", "pad_token", "unk_token")
TEXTS = ["the patient was admitted", "with fever"]


@pytest.fixture
def copy(llama: LocalBackbone, tmp_path: Path) -> Path:
    for file in llama.folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    return tmp_path


def without(folder: Path, token: object, *, file: str) -> LocalBackbone:
    """The base with a tokenizer whose special tokens are all the same; None: it has none."""
    config = json.loads((folder / "tokenizer_config.json").read_text())
    config = {key: value for key, value in config.items() if key not in SPECIAL}
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    if token is not None:
        content = json.loads((folder / file).read_text()) if (folder / file).exists() else {}
        (folder / file).write_text(json.dumps(content | dict.fromkeys(SPECIAL, token)))
    return inspect(folder, name="x", licence="none", exposure="none")


@pytest.mark.parametrize("file", ["tokenizer_config.json", "special_tokens_map.json"])
@pytest.mark.parametrize("token", [None, "", {"content": "", "__type": "AddedToken", "lstrip": False}])
def test_a_special_token_of_no_letters_is_none(copy: Path, llama: LocalBackbone, token: object, file: str) -> None:
    tokenizer = load_tokenizer(without(copy, token, file=file))
    assert [getattr(tokenizer, name) for name in SPECIAL] == [None] * 4
    assert padding_of(tokenizer) == 0
    whole = encode(TEXTS, load_tokenizer(llama), None, special=False)
    assert encode(TEXTS, tokenizer, None, special=False).ids.tolist() == whole.ids.tolist()


def test_texts_are_packed_without_tokens_that_the_tokenizer_lacks(copy: Path) -> None:
    tokenizer = load_tokenizer(without(copy, "", file="tokenizer_config.json"))
    documents = encode(TEXTS, tokenizer, None, special=False)
    blocks = pack(documents, tokenizer, len(documents.ids))
    assert blocks.ids[0].tolist() == documents.ids.tolist()
    assert (blocks.positions[0] == 0).sum() == 2


@pytest.mark.parametrize(
    ("ids", "padding"),
    [((7, 1, 4, 0), 7), ((None, 1, 4, 0), 1), ((None, None, 4, 0), 4), ((None, None, None, 3), 3), ((None,) * 4, 0)],
)
def test_without_a_padding_token_another_stands_in(ids: tuple[int | None, ...], padding: int) -> None:
    pad, eos, unk, bos = ids
    given = SimpleNamespace(pad_token_id=pad, eos_token_id=eos, unk_token_id=unk, bos_token_id=bos)
    assert padding_of(given) == padding


def test_which_token_stands_in_is_known(copy: Path, llama: LocalBackbone) -> None:
    assert padding_stand_in(llama) is None
    config = json.loads((copy / "tokenizer_config.json").read_text())
    del config["pad_token"]
    (copy / "tokenizer_config.json").write_text(json.dumps(config))
    assert padding_stand_in(inspect(copy, name="x", licence="none", exposure="none")) == "</s>"


def test_texts_are_cut_for_one_caller_after_the_other() -> None:
    """A fast tokenizer keeps where it cuts: of two threads one had the other's texts."""
    began, ends, inside = threading.Semaphore(0), threading.Event(), list[int]()

    def tokenizer(_: str, *, max_length: int) -> dict[str, int]:
        inside.append(max_length)
        began.release()
        assert ends.wait(120)
        return {"cut": max_length}

    threads = [threading.Thread(target=tokenised, args=(tokenizer, "a"), kwargs={"max_length": n}) for n in (16, 64)]
    for thread in threads:
        thread.start()
    assert began.acquire(timeout=120)
    assert not began.acquire(timeout=0.3)  # the other one waits outside
    ends.set()
    for thread in threads:
        thread.join()
    assert sorted(inside) == [16, 64]


def test_no_module_asks_a_tokenizer_beside_the_one_way() -> None:
    package = Path(chartune.__file__).parent
    asks = re.compile(r"(?<!def )\btokenizer\(")
    places = {str(file.relative_to(package)) for file in package.rglob("*.py") if asks.search(file.read_text())}
    assert places - {"adapters/standalone.py"} == {"models/tokenizer.py"}  # that one is copied beside an export
