"""Damaged raw files: a clean refusal that names the file, quotes no patient and leaves nothing half-written."""

import gzip
import traceback
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from chartune.errors import SchemaError
from chartune.sources.mimic3 import Mimic3
from chartune.sources.mimic4 import Mimic4
from chartune.sources.splits import ImportedSplit
from chartune.sources.tabular import Tabular
from chartune.store import Store
from chartune.tasks.prepare import Preparation, prepare
from chartune.testing.raw_tables import RawHospital

CANARY = "Mr Canary Birdsong of Cage Lane"


def made(raw: RawHospital) -> RawHospital:
    for subject_id in range(1, 400):
        raw.stay(subject_id, f"Chief Complaint:\n{CANARY} fell, {subject_id} times.\n")
    return raw


def hospital(folder: Path) -> Path:
    return made(RawHospital()).write(folder)


def plain(folder: Path) -> bytes:
    return gzip.decompress((folder / "NOTEEVENTS.csv.gz").read_bytes())


def replaced(folder: Path, content: bytes, *, packed: bool = True) -> None:
    (folder / "NOTEEVENTS.csv.gz").write_bytes(gzip.compress(content) if packed else content)


def cut_off(folder: Path) -> None:
    packed = (folder / "NOTEEVENTS.csv.gz").read_bytes()
    replaced(folder, packed[: len(packed) // 2], packed=False)


def wrong_checksum(folder: Path) -> None:
    packed = bytearray((folder / "NOTEEVENTS.csv.gz").read_bytes())
    packed[-8] ^= 0xFF
    replaced(folder, bytes(packed), packed=False)


def not_gzip(folder: Path) -> None:
    replaced(folder, plain(folder), packed=False)


def zero_bytes(folder: Path) -> None:
    replaced(folder, b"", packed=False)


def packed_nothing(folder: Path) -> None:
    replaced(folder, b"")


def open_quote(folder: Path) -> None:
    replaced(
        folder, plain(folder) + f'9001,1,1001,2100-07-05,,,"Radiology","Report",,,"{CANARY} never closed\n'.encode()
    )


def text_after_quote(folder: Path) -> None:
    replaced(folder, plain(folder) + f'9001,1,1001,2100-07-05,,,"Radiology","Report",,,"{CANARY}"x\n'.encode())


def too_many_fields(folder: Path) -> None:
    replaced(folder, plain(folder) + f"9001,1,1001,2100-07-05,,,Radiology,Report,,,{CANARY}, and more,\n".encode())


def text_in_a_number(folder: Path) -> None:
    replaced(folder, plain(folder) + f"9001,{CANARY},1001,2100-07-05,,,Radiology,Report,,,x\n".encode())


def text_in_a_date(folder: Path) -> None:
    replaced(folder, plain(folder) + f"9001,1,1001,{CANARY},,,Radiology,Report,,,x\n".encode())


def no_header(folder: Path) -> None:
    replaced(folder, plain(folder).split(b"\n", 1)[1])


def wide_characters(folder: Path) -> None:
    replaced(folder, plain(folder).decode().encode("utf-16"))


DAMAGES = (
    cut_off, wrong_checksum, not_gzip, zero_bytes, packed_nothing, open_quote, text_after_quote, too_many_fields,
    text_in_a_number, text_in_a_date, no_header, wide_characters,
)  # fmt: skip


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_table_is_refused_by_name_without_a_patients_word(
    tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    folder, store = hospital(tmp_path / "raw"), Store(tmp_path / "store").open()
    damage(folder)
    with pytest.raises(SchemaError, match=r"NOTEEVENTS\.csv\.gz") as caught:
        prepare(Preparation(source=Mimic3(folder=folder)), store)
    assert not_in("Canary", caught.value)
    assert [file for file in (store.root / "data").rglob("*") if file.is_file()] == []


def test_the_undamaged_hospital_is_prepared(tmp_path: Path) -> None:
    artefact = prepare(Preparation(source=Mimic3(folder=hospital(tmp_path / "raw"))), Store(tmp_path / "store").open())
    artefact.verify()


def test_a_bad_cell_is_placed_by_file_column_and_row(tmp_path: Path) -> None:
    folder = hospital(tmp_path / "raw")
    text_in_a_date(folder)
    with pytest.raises(SchemaError, match=r"NOTEEVENTS\.csv\.gz: every cell of CHARTDATE .* first in data row 400;"):
        prepare(Preparation(source=Mimic3(folder=folder)), Store(tmp_path / "store").open())


@pytest.mark.parametrize("block", [64, 1 << 22])
def test_a_row_with_too_many_fields_is_placed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block: int) -> None:
    monkeypatch.setattr("chartune.sources.whole_rows.BLOCK", block)
    monkeypatch.setattr("chartune.sources.whole_rows.PIECE", block)
    folder = hospital(tmp_path / "raw")
    too_many_fields(folder)
    where = r"NOTEEVENTS\.csv\.gz .* not a well-formed table: data row 400 has 13 fields, and the header 11;"
    with pytest.raises(SchemaError, match=where) as caught:
        list(Mimic3(folder=folder).load().notes())
    assert not_in("Canary", caught.value)


def test_a_stray_byte_neither_crashes_nor_goes_unsaid(tmp_path: Path) -> None:
    folder = hospital(tmp_path / "raw")
    replaced(folder, plain(folder).replace(b"fell", b"f\xe9ll", 199))
    source = Mimic3(folder=folder).load()
    assert sum(part.height for part in source.notes()) == 399
    assert source.tallies["NOTEEVENTS"].replaced == 199


def test_a_table_in_another_encoding_is_refused_and_not_learnt_from(tmp_path: Path) -> None:
    folder = hospital(tmp_path / "raw")
    replaced(folder, plain(folder).replace(b"fell", b"f\xe9ll"))
    with pytest.raises(
        SchemaError, match=r"NOTEEVENTS\.csv\.gz must be UTF-8, but bytes of 399 of its 399 rows are none"
    ):
        prepare(Preparation(source=Mimic3(folder=folder)), Store(tmp_path / "store").open())


@pytest.mark.parametrize("generation", [3, 4])
def test_a_row_that_is_too_long_is_refused_and_the_limit_is_a_switch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, generation: int
) -> None:
    monkeypatch.setattr("chartune.sources.whole_rows.BLOCK", 64)
    monkeypatch.setattr("chartune.sources.whole_rows.PIECE", 64)
    raw = made(RawHospital())
    folder = raw.write(tmp_path / "raw") if generation == 3 else raw.write_mimic4(tmp_path / "raw")
    source = Mimic3(folder=folder) if generation == 3 else Mimic4(folder=folder)
    bounded = source.model_copy(update={"longest_row": 1000})
    assert sum(part.height for part in bounded.load().notes()) == 399
    with pytest.raises(SchemaError, match=r"csv\.gz: a row must have at most 10 bytes"):
        list(source.model_copy(update={"longest_row": 10}).load().notes())
    with pytest.raises(SchemaError, match=r"csv\.gz: a cell must have at most 4 bytes"):
        list(source.model_copy(update={"longest_cell": 4}).load().notes())


def test_a_list_that_unpacks_without_end_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chartune.sources.splits.lists.LONGEST_LIST", 100)
    for length, name in ((20, "train"), (200, "test")):
        (tmp_path / f"{name}.txt.gz").write_bytes(gzip.compress(b"1" * 10 + b"\n" * length))
    with pytest.raises(SchemaError, match=r"at most 100 bytes, but test\.txt\.gz has more"):
        ImportedSplit(folder=tmp_path).lists()


def backslashes(folder: Path) -> None:
    replaced(folder, plain(folder).replace(b"fell", b'said \\"no\\" and fell'))


def one_quote(folder: Path) -> None:
    replaced(folder, plain(folder).replace(b"fell, 7 times", b'has a 6" tube'))


@pytest.mark.parametrize(
    ("spoil", "told"),
    [(backslashes, r"behind a backslash, as Spark and MySQL write it, first in line 3 \(798 "),
     (one_quote, r"neither doubled nor at the end of its cell, first in line")],
)  # fmt: skip
def test_a_quote_that_would_join_two_rows_is_refused_with_its_place(
    tmp_path: Path, spoil: Callable[[Path], None], told: str
) -> None:
    folder = hospital(tmp_path / "raw")
    spoil(folder)
    with pytest.raises(SchemaError, match=r"NOTEEVENTS\.csv\.gz .*" + told) as caught:
        prepare(Preparation(source=Mimic3(folder=folder)), Store(tmp_path / "store").open())
    assert not_in("Canary", caught.value)


def test_bytes_that_differ_from_the_released_sums_are_refused(tmp_path: Path) -> None:
    folder = hospital(tmp_path / "raw")
    (folder / "SHA256SUMS.txt").write_text(f"{'ab' * 32} NOTEEVENTS.csv.gz\n")
    with pytest.raises(SchemaError, match=r"must have the SHA-256 that SHA256SUMS\.txt lists"):
        prepare(Preparation(source=Mimic3(folder=folder)), Store(tmp_path / "store").open())


def not_in(word: str, error: BaseException) -> bool:
    chain: BaseException | None = error
    while chain:
        if word in f"{chain!r} {chain} {chain.args}":
            return False
        chain = chain.__cause__ or chain.__context__
    return word not in "".join(traceback.format_exception(error))


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_table_of_mimic_iv_is_refused_the_same_way(tmp_path: Path, damage: Callable[[Path], None]) -> None:
    folder, aside = made(RawHospital()).write_mimic4(tmp_path / "raw"), tmp_path / "aside"
    aside.mkdir()
    (folder / "note" / "discharge.csv.gz").rename(aside / "NOTEEVENTS.csv.gz")
    if damage in (text_in_a_number, text_in_a_date):  # their rows are those of MIMIC-III
        row = f"n-1,{CANARY},1,DS,1,,,x\n" if damage is text_in_a_number else f"n-1,1,1,DS,1,{CANARY},,x\n"
        replaced(aside, plain(aside) + row.encode())
    else:
        damage(aside)
    (aside / "NOTEEVENTS.csv.gz").rename(folder / "note" / "discharge.csv.gz")
    store = Store(tmp_path / "store").open()
    with pytest.raises(SchemaError, match=r"discharge\.csv\.gz") as caught:
        prepare(Preparation(source=Mimic4(folder=folder)), store)
    assert not_in("Canary", caught.value)
    assert [file for file in (store.root / "data").rglob("*") if file.is_file()] == []


def cut_parquet(file: Path) -> None:
    pl.DataFrame({"text": [CANARY] * 500, "subject_id": range(500), "label": [1] * 500}).write_parquet(file)
    file.write_bytes(file.read_bytes()[:-20])


def parquet_by_name_only(file: Path) -> None:
    file.write_text(f"text,subject_id,label\n{CANARY},1,1\n")


def objects_in_parquet(file: Path) -> None:
    pl.DataFrame({"text": [{"said": CANARY}], "subject_id": [1], "label": [1]}).write_parquet(file)


def cut_lines(file: Path) -> None:
    lines = "".join(f'{{"text": "{CANARY} {n}", "subject_id": {n}, "label": 1}}\n' for n in range(3000))
    packed = gzip.compress(lines.encode())
    file.write_bytes(packed[: len(packed) // 2])


def damaged_lines(file: Path) -> None:
    packed = bytearray(gzip.compress(f'{{"text": "{CANARY}", "subject_id": 1, "label": 1}}\n'.encode() * 3000))
    packed[40:60] = b"\xff" * 20
    file.write_bytes(packed)


def late_bad_line(file: Path) -> None:
    good = f'{{"text": "{CANARY}", "subject_id": 1, "label": 1}}\n'
    file.write_bytes(gzip.compress((good * 300 + f'{{"text": "{CANARY}\n').encode()))


@pytest.mark.parametrize(
    ("name", "damage"),
    [("n.parquet", cut_parquet), ("n.parquet", parquet_by_name_only), ("n.parquet", objects_in_parquet),
     ("n.jsonl.gz", cut_lines), ("n.jsonl.gz", damaged_lines), ("n.jsonl.gz", late_bad_line)],
)  # fmt: skip
def test_a_damaged_table_of_ones_own_is_refused_without_a_patients_word(
    tmp_path: Path, name: str, damage: Callable[[Path], None]
) -> None:
    damage(tmp_path / name)
    store = Store(tmp_path / "store").open()
    with pytest.raises(SchemaError, match=name.replace(".", r"\.")) as caught:
        prepare(Preparation(source=Tabular(file=tmp_path / name), corpus=None), store)
    assert not_in("Canary", caught.value)
    assert [file for file in (store.root / "data").rglob("*") if file.is_file()] == []
