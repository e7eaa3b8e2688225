"""Detection of annotated corpora by what their files are called and begin with."""

from collections.abc import Callable
from pathlib import Path

import pytest

from chartune.errors import DataError, SchemaError
from chartune.sources.annotated.catalog import detect_annotated
from chartune.testing.annotated_corpora import WRITERS, write_2012, write_2018, write_mednli
from chartune.testing.downloads import write_loose, write_tar
from chartune.testing.raw_tables import RawHospital


@pytest.mark.parametrize(("kind", "write"), WRITERS.items(), ids=WRITERS)
def test_each_corpus_is_known(tmp_path: Path, kind: str, write: Callable[[Path], Path]) -> None:
    assert detect_annotated(write(tmp_path / "raw")) == kind


def test_one_archive_is_enough(tmp_path: Path) -> None:
    assert detect_annotated(write_2018(tmp_path) / "training_20180910.zip") == "n2c2_2018"


def test_hospitals_tables_and_nothing_are_no_corpus(tmp_path: Path) -> None:
    hospital = RawHospital()
    hospital.stay(1)
    folder = hospital.write(tmp_path / "hospital")
    assert detect_annotated(folder) is None
    assert detect_annotated(folder / "NOTEEVENTS.csv.gz") is None
    assert detect_annotated(tmp_path / "gone") is None
    write_loose(tmp_path / "other", {"a.xml": "<html/>", "b.jsonl": "{}", "c.zip": "no archive"})
    assert detect_annotated(tmp_path / "other") is None


def test_two_corpora_in_one_folder_are_refused(tmp_path: Path) -> None:
    write_2012(tmp_path / "a")
    write_mednli(tmp_path / "b")
    with pytest.raises(DataError, match="i2b2_2012 and mednli"):
        detect_annotated(tmp_path)


def test_a_hostile_archive_that_is_asked_for_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SchemaError, match="leads out"):
        detect_annotated(write_tar(tmp_path / "a.tar.gz", {"../1.con": ""}))
