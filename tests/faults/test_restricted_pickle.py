"""A pickle of labels: the one honest shape is read, everything else is refused unopened, unexecuted, untold."""

import os
import pickle
import subprocess
import sys
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from chartune.errors import SchemaError
from chartune.sources import pickled_labels, restricted_pickle
from chartune.sources.pickled_labels import MOST_BYTES, PickledLabels, unpickled

LABELS = {100001: (1, 3.5, "train"), 100002: [0, None, "val"], 100003: (0, "test")}
EXPECTED = [(100001, "1", "train"), (100002, "0", "val"), (100003, "0", "test")]
SECRET = "Jane Doe"


class Payload:
    """What a malicious file carries: reading it as a plain pickle writes a file."""

    def __init__(self, act: tuple[Any, ...]) -> None:
        self.act = act

    def __reduce__(self) -> tuple[Any, ...]:
        return self.act


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "pmv_labels.pkl"


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_the_labels_of_beep_are_read_in_every_protocol(file: Path, protocol: int) -> None:
    file.write_bytes(pickle.dumps(LABELS, protocol=protocol))
    assert unpickled(file) == EXPECTED


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_numbers_and_texts_of_numpy_are_read_without_numpy(file: Path, protocol: int) -> None:
    told = [np.int64(1), np.int8(-1), np.uint16(40_000), np.float32(2), np.float64(0.5), np.bool_(True),
            np.dtype(">i4").type(7), 2.0, True, "yes"]  # fmt: skip
    rows = {n: (value, np.str_("train")) for n, value in enumerate(told, start=1)}
    file.write_bytes(pickle.dumps(rows, protocol=protocol))
    assert [label for _, label, _ in unpickled(file)] == ["1", "-1", "40000", "2", "0.5", "1", "7", "2", "1", "yes"]


def test_as_a_frame_splits_have_the_words_of_this_house(file: Path) -> None:
    file.write_bytes(pickle.dumps(LABELS))
    answers = PickledLabels(file=file).answers(with_split=True)
    assert answers.select("hadm_id", "asked", "split").rows() == [
        (100001, ["1"], "train"), (100002, ["0"], "validation"), (100003, ["0"], "test"),
    ]  # fmt: skip
    assert PickledLabels(file=file).answers(with_split=False)["split"].is_null().all()


@pytest.mark.parametrize(
    ("act", "asks"),
    [
        (lambda touched: (os.system, (f"touch {touched}",)), "posix.system"),
        (lambda touched: (subprocess.Popen, (["touch", str(touched)],)), "subprocess.Popen commands.Popen"),
        (lambda touched: (open, (str(touched), "w")), "io.open _io.open"),
        (lambda touched: (eval, (f"open({str(touched)!r}, 'w')",)), "builtins.eval __builtin__.eval"),
        (lambda touched: (getattr, (str(touched), "upper")), "builtins.getattr __builtin__.getattr"),
        (lambda touched: (OrderedDict, ()), "collections.OrderedDict"),
        (lambda touched: (np.zeros, (3,)), "numpy.zeros"),
    ],
)
@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_a_payload_is_refused_by_name_and_does_not_run(
    file: Path, tmp_path: Path, act: Any, asks: str, protocol: int
) -> None:
    touched = tmp_path / "touched"
    file.write_bytes(pickle.dumps({1: (Payload(act(touched)), SECRET, "train")}, protocol=protocol))
    names = "|".join(asks.split())
    with pytest.raises(SchemaError, match=f"it asks for ({names}); nothing of it was run") as refused:
        unpickled(file)
    assert SECRET not in str(refused.value)
    assert not touched.exists()


def test_a_name_that_reads_like_a_sentence_is_not_repeated(file: Path) -> None:
    file.write_bytes(b"c" + SECRET.encode() + b"\nhas diabetes\n.")
    with pytest.raises(SchemaError, match="it asks for a name that is none") as refused:
        unpickled(file)
    assert "Jane" not in str(refused.value)


@pytest.mark.parametrize(
    "attack",
    [
        b"cnumpy\ndtype\n(S'i8'\ntR}(S'order'\nS'<'\nsb.",  # BUILD with a dictionary
        b"cnumpy\ndtype\n(S'__subclasses__'\ntR.",
        b"cnumpy.core.multiarray\nscalar\n(S'i8'\nS'x'\ntR.",
        b"cnumpy.core.multiarray\nscalar\n(cnumpy\ndtype\n(S'O8'\ntRS'x'\ntR.",
        b"cnumpy.core.multiarray\nscalar.__globals__\n.",
        b"cnumpy\ndtype.__init__\n.",
        b"\x82\x01.",  # an extension code
        b"S'id'\nQ.",  # a persistent id
    ],
)
def test_the_stand_ins_lead_nowhere(file: Path, attack: bytes) -> None:
    file.write_bytes(attack)
    with pytest.raises(SchemaError, match="must be a pickle of labels"):
        unpickled(file)


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ([1, 2], "it holds a list and not a dictionary"),
        (SECRET, "it holds a str and not a dictionary"),
        ({SECRET: (1, "train")}, "1 of 1 entries do not read"),
        ({1: 1, 2: (1, "train")}, "1 of 2 entries do not read"),
        ({1: ()}, "1 of 1 entries"),
        ({1: (1,)}, "1 of 1 entries"),
        ({1: (SECRET * 100, "train")}, "1 of 1 entries"),
        ({1: (1, [SECRET])}, "1 of 1 entries"),
        ({1: (float("nan"), "train")}, "1 of 1 entries"),
        ({1: (2**63, "train")}, "1 of 1 entries"),
        ({True: (1, "train")}, "1 of 1 entries"),
        ({-5: (1, "train")}, "1 of 1 entries"),
        ({1: ({"a": 1}, "train")}, "1 of 1 entries"),
    ],
)
def test_other_shapes_are_refused_with_counts_only(file: Path, value: Any, told: str) -> None:
    file.write_bytes(pickle.dumps(value))
    with pytest.raises(SchemaError, match=told) as refused:
        unpickled(file)
    assert SECRET not in str(refused.value)


def test_a_file_that_is_no_pickle_is_refused(file: Path) -> None:
    for content in (b"hadm_id,label\n1,0\n", b"\x80\x05garbage", pickle.dumps(LABELS)[:-5], b"."):
        file.write_bytes(content)
        with pytest.raises(SchemaError, match=r"it is cut off, damaged or none \(\w+\)"):
            unpickled(file)


def test_size_is_capped_before_anything_is_read(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pickled_labels, "_asked", lambda file: pytest.fail("a reader was started"))
    for size in (0, MOST_BYTES + 1):
        with file.open("wb") as opened:
            opened.truncate(size)
        with pytest.raises(SchemaError, match=f"must have from 1 to {MOST_BYTES} bytes, but pmv_labels.pkl has {size}"):
            unpickled(file)
    with pytest.raises(SchemaError, match="there is no such file"):
        unpickled(file.with_name("nowhere.pkl"))


def nested_key(depth: int) -> bytes:
    """A dictionary whose key is a tuple in a tuple in a tuple: its hash recurses in C."""
    return b"\x80\x02}" + b")" + b"\x85" * depth + b"K\x01s."


def test_a_bomb_of_nested_values_ends_the_reader_and_not_the_caller(file: Path) -> None:
    for content in (nested_key(500_000), b"\x80\x02" + b"]" * 500_000 + b"a" * 499_999 + b"."):
        file.write_bytes(content)
        with pytest.raises(SchemaError, match="must be a pickle of labels, but"):
            unpickled(file)


def test_a_small_file_that_swells_meets_its_limit_of_memory(file: Path) -> None:
    file.write_bytes(b"\x80\x02(" + b"}" * (14 << 20) + b"t.")  # 64 bytes of memory for each
    with pytest.raises(SchemaError, match=r"needs more memory than labels do|ended by SIG"):
        unpickled(file)


def test_a_long_text_that_is_shared_by_all_entries_does_not_swell_the_answer(file: Path) -> None:
    shared = SECRET * 100_000
    file.write_bytes(pickle.dumps(dict.fromkeys(range(1, 20_000), (shared, "train"))))
    with pytest.raises(SchemaError, match="19999 of 19999 entries"):
        unpickled(file)


def test_were_the_closed_list_ever_broken_the_second_wall_would_hold(tmp_path: Path) -> None:
    touched = tmp_path / "touched"
    program = (
        f"import runpy, sys; m = runpy.run_path({restricted_pickle.__file__!r})\n"
        "import posix, io, socket\n"
        "from pickle import Unpickler\n"
        "m['limit'](); m['seal']()\n"
        "for act in (lambda: posix.system('true'), lambda: io.open(%r, 'w'), lambda: socket.socket(),\n"
        "            lambda: posix.fork(), lambda: __import__('wave'), lambda: eval('1'),\n"
        "            lambda: Unpickler(io.BytesIO(b'cposix\\nsystem\\n.')).load()):\n"
        "    try:\n        act(); sys.stdout.write('done\\n')\n"
        "    except Exception as error:\n        sys.stdout.write(type(error).__name__ + '\\n')\n"
    ) % str(touched)
    done = subprocess.run([sys.executable, "-I", "-c", program], capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["Refused"] * 7, done.stderr
    assert not touched.exists()


def test_an_answer_of_another_form_is_not_believed(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file.write_bytes(pickle.dumps(LABELS))
    forged = subprocess.CompletedProcess([], 0, b'[[1, "a", ["b"]]]', b"")
    monkeypatch.setattr(pickled_labels, "_asked", lambda file: forged)
    with pytest.raises(SchemaError, match="what its reader answered is none"):
        unpickled(file)
