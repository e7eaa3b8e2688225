"""Hospitals that grow by copying: ids and words of their own, cells as they were, sizes as asked."""

import gzip
from pathlib import Path

import polars as pl
import pytest

from chartune.made_up import make_hospital
from chartune.sources.mimic3 import Mimic3
from preparing.growing import CHART_TABLES, DICTIONARIES, NOTE_TABLES, NOTES, STRIDE, Size, apart, grow, spelled
from preparing.thickening import LENGTHS, OTHER_ITEMS, SUMMARY, VITAL_SIGNS, WARD_NOTES

COPIES = 3


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A made-up hospital to copy from; not to be written into."""
    folder = tmp_path_factory.mktemp("base") / "raw"
    make_hospital(folder, subjects=90, seed=4)
    return folder


@pytest.fixture(scope="module")
def thin(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _grown(base, tmp_path_factory.mktemp("thin"), thick=False)


@pytest.fixture(scope="module")
def thick(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _grown(base, tmp_path_factory.mktemp("thick"), thick=True)


def _grown(base: Path, folder: Path, *, thick: bool) -> Path:
    tables = tuple(dict.fromkeys((*NOTE_TABLES, *CHART_TABLES)))
    patients = _table(base, "PATIENTS").height
    grow(base, folder / "raw", tables, Size("PATIENTS", rows=COPIES * patients), thick=thick)
    return folder / "raw"


def _table(folder: Path, name: str) -> pl.DataFrame:
    return pl.read_csv(folder / f"{name}.csv.gz", infer_schema=False, encoding="utf8-lossy")


def _lines(folder: Path, name: str) -> list[str]:
    return gzip.decompress((folder / f"{name}.csv.gz").read_bytes()).decode(errors="replace").splitlines()


@pytest.mark.parametrize(("table", "key"), [("PATIENTS", "SUBJECT_ID"), ("ADMISSIONS", "HADM_ID"), (NOTES, "ROW_ID")])
def test_no_id_stands_in_two_copies(base: Path, thin: Path, table: str, key: str) -> None:
    assert _table(thin, table)[key].n_unique() == COPIES * _table(base, table)[key].n_unique()


def test_ids_of_the_base_are_smaller_than_the_distance_of_copies(base: Path) -> None:
    stays = _table(base, "ICUSTAYS").select(pl.col("SUBJECT_ID", "HADM_ID", "ICUSTAY_ID").cast(pl.Int64).max())
    assert max(stays.row(0)) < STRIDE


@pytest.mark.parametrize("table", ["PATIENTS", "ADMISSIONS", "ICUSTAYS", "DIAGNOSES_ICD", "CHARTEVENTS"])
def test_the_first_thin_copy_is_the_base_as_it_was_written(base: Path, thin: Path, table: str) -> None:
    original = _lines(base, table)
    assert _lines(thin, table)[: len(original)] == original


def test_a_grown_hospital_keeps_every_contract(thin: Path, thick: Path) -> None:
    for folder in (thin, thick):
        records = Mimic3(folder=folder).load(events=True)
        assert records.admissions.join(records.subjects, on="subject_id", how="anti").is_empty()
        assert sum(batch.height for batch in records.notes()) == _table(folder, NOTES).height


def test_texts_of_two_copies_are_never_the_same(base: Path, thin: Path) -> None:
    long = pl.col("TEXT").str.len_chars() > 60
    texts = _table(base, NOTES).filter(long)["TEXT"].n_unique()
    assert _table(thin, NOTES).filter(long)["TEXT"].n_unique() >= COPIES * texts


def test_texts_that_were_the_same_stay_so_within_a_copy(base: Path, tmp_path: Path) -> None:
    twice = tmp_path / "twice"
    twice.mkdir()
    for name in DICTIONARIES:
        (twice / f"{name}.csv.gz").write_bytes((base / f"{name}.csv.gz").read_bytes())
    text = '"Chief Complaint:\nfall\n\nPresent Illness:\nfell from a chair\n"'
    rows = [f'{n},10000,100001,2150-01-0{n},,,"{SUMMARY}","Report",,,{text}' for n in (1, 2)]
    rows.append('3,10000,100001,2150-01-01,,,"Radiology","CHEST",,,"no acute process in the chest"')
    content = "\n".join([_lines(base, NOTES)[0], *rows, ""])
    (twice / f"{NOTES}.csv.gz").write_bytes(gzip.compress(content.encode()))
    grow(twice, tmp_path / "raw", (NOTES,), Size(NOTES, rows=2 * (2 + WARD_NOTES)))
    texts = _table(tmp_path / "raw", NOTES)
    assert texts.filter(pl.col("CATEGORY") == SUMMARY)["TEXT"].unique_counts().to_list() == [2, 2]
    assert texts.filter(pl.col("CATEGORY") != SUMMARY)["TEXT"].is_unique().all()


def test_short_oddities_stay_as_they_are(base: Path, thin: Path) -> None:
    short = pl.col("TEXT").str.len_chars() < 20
    assert _table(thin, NOTES).filter(short).height == COPIES * _table(base, NOTES).filter(short).height


def test_growing_stops_with_the_copy_that_reaches_the_size(base: Path, tmp_path: Path) -> None:
    rows = _table(base, "CHARTEVENTS").height
    told = grow(base, tmp_path / "raw", CHART_TABLES, Size("CHARTEVENTS", rows=rows + 1), thick=False)
    assert told["CHARTEVENTS"]["rows"] == 2 * rows == _table(tmp_path / "raw", "CHARTEVENTS").height
    assert told["copies"] == {"rows": 2}
    assert _table(tmp_path / "raw", NOTES).is_empty()


def test_growing_by_bytes_looks_at_the_file(base: Path, tmp_path: Path) -> None:
    told = grow(base, tmp_path / "raw", NOTE_TABLES, Size(NOTES, bytes=150_000), thick=False)
    assert 150_000 <= told[NOTES]["bytes"] == (tmp_path / "raw" / f"{NOTES}.csv.gz").stat().st_size < 300_000


def test_thick_charts_have_many_ward_notes_and_one_summary(base: Path, thick: Path) -> None:
    def counts(folder: Path) -> tuple[int, int]:
        summaries = _table(folder, NOTES)["CATEGORY"].eq(SUMMARY)
        return int(summaries.sum()), int((~summaries).sum())

    summaries, others = counts(base)
    assert counts(thick) == (COPIES * summaries, COPIES * WARD_NOTES * others)


@pytest.mark.parametrize("category", [SUMMARY, "Physician ", "Radiology"])
def test_thick_notes_are_as_long_as_real_ones(thick: Path, category: str) -> None:
    texts = _table(thick, NOTES).filter(pl.col("CATEGORY") == category)["TEXT"]
    assert texts.str.len_chars().mean() == pytest.approx(LENGTHS[category], rel=0.2)


def test_thickening_adds_events_that_say_nothing_about_breathing(thin: Path, thick: Path) -> None:
    about_breathing = ~pl.col("ITEMID").is_in([*VITAL_SIGNS, *OTHER_ITEMS])
    rows, more = (_table(folder, "CHARTEVENTS").filter(about_breathing).drop("ROW_ID") for folder in (thin, thick))
    assert rows.equals(more)
    found = [Mimic3(folder=folder).load(events=True).ventilation for folder in (thin, thick)]
    assert found[0] is not None
    assert found[1] is not None
    assert found[0]().equals(found[1]())
    assert not found[0]().is_empty()


def test_a_text_is_cut_behind_its_story_and_at_its_course() -> None:
    text = "Present Illness:\nfell\n\nBrief Hospital Course:\nrose\n"
    assert apart(text) == ("Present Illness:\n", "fell\n\nBrief Hospital Course:\n", "rose\n", True)


@pytest.mark.parametrize("text", ["a note without any heading", "Brief Hospital Course:\nno story before it"])
def test_a_text_without_a_story_is_cut_at_its_end(text: str) -> None:
    assert apart(text) == (text, "", "", True)


def test_names_spell_numbers_and_no_two_alike() -> None:
    assert (spelled(0), spelled(1), spelled(70)) == ("Ba", "Be", "Beba")
    assert len({spelled(number) for number in range(20_000)}) == 20_000
