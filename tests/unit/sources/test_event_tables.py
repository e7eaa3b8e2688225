"""Tables of bedside events: every row counted, few of them read, none of their words in an error."""

import gzip
import tempfile
from pathlib import Path

import polars as pl
import pytest

from chartune.errors import SchemaError, StoreError
from chartune.sources.reading import batches
from chartune.sources.tables import Tally
from chartune.sources.ventilation.by_patient import RowsByPatient
from chartune.sources.ventilation.chart_rows import CHARTEVENTS_3, CHARTEVENTS_4, charted

HEADER = '"ROW_ID","SUBJECT_ID","HADM_ID","ICUSTAY_ID","ITEMID","CHARTTIME","VALUE","ERROR"\n'
CANARY = "Mr Canary Birdsong"


def row(
    item: object, value: str = '"5"', *, time: str = "2130-05-01 08:00:00", stay: object = 7, error: str = "0"
) -> str:
    return f"1,1,2,{stay},{item},{time},{value},{error}\n"


def written(folder: Path, *rows: str, header: str = HEADER, name: str = "CHARTEVENTS.csv.gz") -> Path:
    content = (header + "".join(rows)).encode()
    (folder / name).write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    return folder / name


def values(file: Path, tally: Tally) -> list[str]:
    return [value for part in charted(file, CHARTEVENTS_3, tally) for value in part["value"]]


@pytest.mark.parametrize("name", ["CHARTEVENTS.csv.gz", "CHARTEVENTS.csv"])
def test_commas_quotes_and_line_breaks_of_a_value_part_no_rows(tmp_path: Path, name: str) -> None:
    fake = '"a\n1,1,2,7,720,2130-05-01 09:00:00,""SIMV"",0\nb"'
    file = written(tmp_path, row(211, fake), row(720, '"x, ""y""\nz"'), row(720, '"SIMV"'), row(211), name=name)
    tally = Tally()
    assert values(file, tally) == ['x, "y"\nz', "SIMV"]
    assert tally.rows == 4


def test_every_row_is_counted_over_many_batches_and_few_are_read(tmp_path: Path) -> None:
    rows = [row(720 if n % 50 == 0 else 211, f'"{n},\n{n}"') for n in range(250_000)]
    tally = Tally()
    assert values(written(tmp_path, *rows), tally) == [f"{n},\n{n}" for n in range(0, 250_000, 50)]
    assert tally.rows == 250_000


@pytest.mark.parametrize("late", [0, 150_000])
def test_bytes_that_are_no_text_are_replaced_wherever_they_stand_and_no_row_is_lost(tmp_path: Path, late: int) -> None:
    rows = [row(720 if n % 50 == 0 else 211, f'"{n}"' if n != late else '"odd"') for n in range(250_000)]
    file = written(tmp_path, *rows)
    file.write_bytes(gzip.compress(gzip.decompress(file.read_bytes()).replace(b'"odd"', b'"\xff"')))
    tally = Tally()
    assert values(file, tally) == [str(n) if n != late else "\ufffd" for n in range(0, 250_000, 50)]
    assert (tally.rows, tally.replaced, tally.first_replaced) == (250_000, 1, late + 1)


def test_few_rows_of_many_come_in_few_batches_and_one_batch_is_no_pass_over_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chartune.sources.reading.EVENT_ROWS", 500)
    file = written(tmp_path, *(row(720 if n % 50 == 0 else 211, f'"{n}"') for n in range(9000)))
    tally, first = Tally(), Tally()
    parts = list(batches(file, CHARTEVENTS_3, tally))
    assert [part.height for part in parts] == [80, 80, 20]
    assert pl.concat(parts)["value"].to_list() == [str(n) for n in range(0, 9000, 50)]
    assert next(iter(batches(file, CHARTEVENTS_3, first, most=1))).equals(parts[0])
    assert (tally.rows, first.rows) == (9000, 4000)


def test_items_that_pandas_wrote_as_decimals_are_found(tmp_path: Path) -> None:
    file = written(
        tmp_path,
        row("720.0", "A"),
        row('"720"', "B"),
        row("7200", "C"),
        row("0720", "D"),
        row(720, "E", stay="7.0"),
    )
    assert values(file, Tally()) == ["A", "B", "E"]


def test_rows_that_do_not_count_are_counted_once_by_reason(tmp_path: Path) -> None:
    file = written(
        tmp_path, row(720), row(720, ""), row(720, '"  "'), row(720, '""', error="1"), row(720, error="1", stay=""),
        row(720, stay=""), row(720, '"None"', error=""), row(211, "", stay=""),
    )  # fmt: skip
    tally = Tally()
    assert values(file, tally) == ["5", "None"]
    assert tally.passed_over == {"marked as errors": 2, "without a value": 2, "without an ICU stay": 1}
    assert tally.warnings("CHARTEVENTS") == [
        "CHARTEVENTS: 2 rows marked as errors were passed over.",
        "CHARTEVENTS: 2 rows without a value were passed over.",
        "CHARTEVENTS: 1 rows without an ICU stay were passed over.",
    ]
    tally.restart()
    assert (tally.rows, tally.warnings("CHARTEVENTS")) == (0, [])


def test_an_export_of_carevue_alone_lacks_the_mark_of_error_and_is_read(tmp_path: Path) -> None:
    short = row(720).removesuffix(",0\n") + "\n"
    assert values(written(tmp_path, short, header=HEADER.replace(',"ERROR"', "")), Tally()) == ["5"]


def test_bad_cells_of_wanted_rows_are_counted_and_placed_and_never_quoted(tmp_path: Path) -> None:
    file = written(tmp_path, row(211), row(720, time=CANARY), row(720), row(720, time="1/5/30 08:00", stay=CANARY))
    with pytest.raises(SchemaError) as caught:
        values(file, Tally())
    assert "ICUSTAY_ID must be a whole number or empty, but 1 is not, first in data row 4;" in str(caught.value)
    assert "CHARTTIME must be a time such as" in str(caught.value)
    assert "but 2 are not, first in data row 2;" in str(caught.value)
    assert CANARY not in repr(caught.value)


def test_cells_of_other_rows_are_not_looked_at(tmp_path: Path) -> None:
    assert values(written(tmp_path, row(211, time=CANARY), row(CANARY), row(""), row(720)), Tally()) == ["5"]


def test_a_missing_column_is_named(tmp_path: Path) -> None:
    file = written(tmp_path, header=HEADER.replace("CHARTTIME", "WHEN"))
    with pytest.raises(SchemaError, match=r"CHARTEVENTS\.csv\.gz must have the columns CHARTTIME"):
        values(file, Tally())


@pytest.mark.parametrize("damage", ["cut off", "wrong checksum", "open quote"])
def test_a_damaged_table_is_refused_by_name_without_a_patients_word(tmp_path: Path, damage: str) -> None:
    end = f'1,1,2,7,720,2130-05-01 08:00:00,"{CANARY}' if damage == "open quote" else ""
    file = written(tmp_path, *(row(720, f'"{CANARY} {n}"') for n in range(3000)), end)
    packed = bytearray(file.read_bytes())
    if damage == "wrong checksum":
        packed[-8] ^= 0xFF
    file.write_bytes(packed[: len(packed) // 2] if damage == "cut off" else packed)
    with pytest.raises(SchemaError, match=r"CHARTEVENTS\.csv\.gz must be readable as CSV") as caught:
        values(file, Tally())
    assert CANARY not in repr(caught.value)
    assert caught.value.__cause__ is caught.value.__context__ is None


def test_blank_lines_are_passed_over_and_bytes_that_are_no_utf8_counted(tmp_path: Path) -> None:
    content = (HEADER + row(720, "caf\xe9") + "\n" + row(211)).encode("latin-1")
    (tmp_path / "CHARTEVENTS.csv").write_bytes(content)
    tally = Tally()
    assert values(tmp_path / "CHARTEVENTS.csv", tally) == ["caf\ufffd"]
    assert (tally.rows, tally.blank_lines, tally.replaced) == (2, 1, 1)


def test_rows_of_mimic4_come_with_the_time_of_their_entry_where_it_is_told(tmp_path: Path) -> None:
    file = tmp_path / "chartevents.csv"
    file.write_text("subject_id,stay_id,charttime,itemid,value,warning\n1,7,2130-05-01 08:00:00,223849,CMV ,0\n")
    (part,) = [part for part in charted(file, CHARTEVENTS_4, Tally()) if part.height]
    assert part.select("subject_id", "stay_id", "storetime", "itemid", "value").row(0) == (1, 7, None, 223849, "CMV")
    assert next(iter(batches(file, CHARTEVENTS_4, Tally()))).schema == pl.Schema(CHARTEVENTS_4.schema())


def test_rows_put_aside_come_back_in_groups_of_whole_patients(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chartune.sources.ventilation.by_patient._WAITING", 700)
    frames = [
        pl.DataFrame({"id": [n % 97 for n in range(k, k + 300)], "row": range(k, k + 300)}) for k in range(0, 9000, 300)
    ]
    with RowsByPatient("id") as kept:
        for frame in frames:
            kept.add(frame)
        groups = list(kept.groups())
    assert sum(group.height for group in groups) == 9000
    assert sum(group["id"].n_unique() for group in groups) == 97
    assert all(group["row"].is_sorted() for group in groups)
    assert pl.concat(groups).sort("row").equals(pl.concat(frames))


def test_rows_that_memory_holds_at_once_are_one_group_and_are_not_written() -> None:
    rows = pl.DataFrame({"id": [1, 2, 1]})
    with RowsByPatient("id") as kept:
        assert list(kept.groups()) == []
        kept.add(rows)
        kept.add(rows)
        (group,) = kept.groups()
    assert group.equals(pl.concat([rows, rows]))


def test_a_folder_of_temporary_files_that_cannot_be_written_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "gone"))
    with pytest.raises(StoreError, match=r"writing in .*gone failed: No such file or directory; .* set TMPDIR"):
        RowsByPatient("id").__enter__()
