"""What an export says of itself: every file that is read is listed, and nothing outside of it is looked at."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from chartune.errors import StoreError
from chartune.stages.export_record import ABOUT, SUMS, read_export

WRITTEN: dict[str, Any] = {
    "chartune": "0.1.0", "run": "f" * 16, "name": "n", "kind": "finetune", "sensitivity": "restricted",
    "audited_for_memorisation": False, "base": {}, "model": "model", "adapters": [], "tokenizer": "model",
    "stack": None, "trained_in": "fp32", "max_seq_len": 8,
}  # fmt: skip


def export(folder: Path) -> Path:
    (folder / "model").mkdir(parents=True)
    for name, text in {ABOUT: json.dumps(WRITTEN), "head.safetensors": "", "model/tokenizer.json": "{}"}.items():
        (folder / name).write_text(text)
    return listed(folder)


def listed(folder: Path, *names: str) -> Path:
    """The folder, with these files in its list beside those that it holds."""
    held = [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file() and path.name != SUMS]
    sums = [f"{hashlib.sha256((folder / name).read_bytes()).hexdigest()}  {name}" for name in (*held, *names)]
    (folder / SUMS).write_text("\n".join(sums))
    return folder


def test_what_lies_beside_is_no_harm_but_beside_weights_or_a_tokenizer_it_is(tmp_path: Path) -> None:
    folder = export(tmp_path / "out")
    (folder / "__pycache__").mkdir()  # of `load.py`, once somebody has imported it
    for name in ("notes.txt", "__pycache__/load.cpython-311.pyc"):
        (folder / name).write_text("mine")
    assert read_export(folder).about.run == "f" * 16
    (folder / "model" / "added_tokens.json").write_text("{}")
    with pytest.raises(StoreError, match=r"model/added_tokens\.json is not"):
        read_export(folder)
    assert "model/added_tokens.json" in read_export(listed(folder)).sums


@pytest.mark.parametrize("how", ["above", "absolute", "link"])
def test_nothing_outside_is_looked_at(tmp_path: Path, how: str) -> None:
    folder, other = export(tmp_path / "out"), tmp_path / "other"
    other.write_text("of somebody")
    (folder / "link").symlink_to(other)
    name = {"above": "../other", "absolute": str(other), "link": "link"}[how]
    with pytest.raises(StoreError, match=rf"must hold {ABOUT} and {SUMS} as `export` wrote them"):
        read_export(listed(folder, name))
