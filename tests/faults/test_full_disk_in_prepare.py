"""A full disk while data are prepared: one clear error, and nothing half-written stays."""

from pathlib import Path

import polars as pl
import pytest

from chartune.errors import StoreError
from chartune.sources.mimic3 import Mimic3
from chartune.store import Store
from chartune.tasks.frames import write_frame
from chartune.tasks.prepare import Preparation, prepare
from chartune.testing.raw_tables import RawHospital


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs the device /dev/full")
def test_a_full_disk_is_told_as_such() -> None:
    with pytest.raises(StoreError, match="the disk is full"):
        write_frame(pl.DataFrame({"a": range(100_000)}), Path("/dev/full"))


def test_preparation_leaves_nothing_when_a_write_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    raw = RawHospital()
    raw.stay(1)
    source, store = Mimic3(folder=raw.write(tmp_path / "raw")), Store(tmp_path / "store").open()

    def full(*_: object, **__: object) -> None:
        raise pl.exceptions.ComputeError("No space left on device")

    monkeypatch.setattr(pl.LazyFrame, "sink_parquet", full)
    with pytest.raises(StoreError, match="the disk is full"):
        prepare(Preparation(source=source), store)
    monkeypatch.undo()
    assert [path for path in (store.root / "data").rglob("*") if path.is_file()] == []
    prepare(Preparation(source=source), store).verify()
