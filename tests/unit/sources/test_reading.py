"""Reading raw tables: every text byte for byte, every cell as its contract says."""

import gzip
from datetime import date, datetime
from pathlib import Path

import polars as pl
import pytest

from chartune.errors import SchemaError
from chartune.sources.reading import batches, keyed, read
from chartune.sources.tables import Column, Table, Tally

NOTES = Table(
    "NOTES",
    (
        Column("SUBJECT_ID", "integer", may_be_empty=False),
        Column("HADM_ID", "integer"),
        Column("CHARTDATE", "date"),
        Column("STORETIME", "time", may_be_absent=True),
        Column("TEXT", "text"),
    ),
)
HEADER = "SUBJECT_ID,HADM_ID,CHARTDATE,STORETIME,TEXT\n"


def written(folder: Path, content: str | bytes, name: str = "NOTES.csv") -> Path:
    file = folder / name
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return file


def texts(file: Path) -> list[str | None]:
    return read(file, NOTES, Tally())["text"].to_list()


def test_line_breaks_commas_quotes_and_backslashes_of_a_text_survive(tmp_path: Path) -> None:
    file = written(tmp_path, HEADER + '1,,,,"one\r\n""two"", three \\ four\n\nfive"\n2,,,,six\n')
    assert texts(file) == ['one\r\n"two", three \\ four\n\nfive', "six"]


def test_na_and_null_are_texts_and_an_empty_cell_is_none(tmp_path: Path) -> None:
    assert texts(written(tmp_path, HEADER + '1,,,,"NA"\n2,,,,null\n3,,,,""\n4,,,,\n')) == ["NA", "null", "", None]


def test_cells_become_what_the_contract_says(tmp_path: Path) -> None:
    row = read(written(tmp_path, HEADER + "1,167853.0,2150-01-31,2150-01-31 13:05:00,x\n"), NOTES, Tally()).row(0)
    assert row == (1, 167853, date(2150, 1, 31), datetime(2150, 1, 31, 13, 5), "x")  # noqa: DTZ001 - charts have no zone


@pytest.mark.parametrize(
    "content",
    [
        "subject_id,hadm_id,chartdate,storetime,text\n1,2,2150-01-31,,x\n",
        '"SUBJECT_ID","HADM_ID","CHARTDATE","STORETIME","TEXT"\n1,2,2150-01-31,,"x"\n',
        "TEXT,extra,Chartdate,SUBJECT_ID,STORETIME,HADM_ID\nx,999,2150-01-31,1,,2\n",
        "SUBJECT_ID,HADM_ID,CHARTDATE,STORETIME,TEXT\r\n1,2,2150-01-31,,x\r\n",
        "\ufeffSUBJECT_ID,HADM_ID,CHARTDATE,TEXT\n1,2,2150-01-31 00:00:00,x\n",
    ],
)
def test_case_quotes_order_and_extra_columns_of_a_header_change_nothing(tmp_path: Path, content: str) -> None:
    frame = read(written(tmp_path, content), NOTES, Tally())
    assert frame.row(0) == (1, 2, date(2150, 1, 31), None, "x")
    assert frame.columns == list(NOTES.schema())


def test_gzipped_and_plain_tables_are_the_same(tmp_path: Path) -> None:
    content = (HEADER + '1,,,,"a\nb"\n').encode()
    plain, packed = written(tmp_path, content), written(tmp_path, gzip.compress(content), "NOTES.csv.gz")
    assert texts(plain) == texts(packed) == ["a\nb"]


def test_batches_hold_all_rows_in_order(tmp_path: Path) -> None:
    rows = "".join(f'{n},,,,"line\n{n}, ""x"""\n' for n in range(5000))
    tally = Tally()
    parts = list(batches(written(tmp_path, HEADER + rows), NOTES, tally, size=700))
    assert len(parts) > 1
    assert pl.concat(parts)["subject_id"].to_list() == list(range(5000))
    assert tally.rows == 5000


def test_a_table_without_rows_has_its_columns(tmp_path: Path) -> None:
    frame = read(written(tmp_path, HEADER), NOTES, Tally())
    assert frame.schema == pl.Schema(NOTES.schema())
    assert frame.is_empty()


def test_bytes_that_are_no_utf8_are_replaced_and_counted(tmp_path: Path) -> None:
    tally = Tally()
    rows = b"1,,,,tea\n2,,,,caf\xe9\n3,,,,th\xe9\n"
    frame = read(written(tmp_path, HEADER.encode() + rows + b"4,,,,ale\n"), NOTES, tally)
    assert frame["text"].to_list() == ["tea", "caf\ufffd", "th\ufffd", "ale"]
    assert (tally.replaced, tally.first_replaced) == (2, 2)
    assert tally.warnings("NOTES") == [
        "NOTES: 2 cells hold bytes that are not UTF-8, first in data row 2; these became U+FFFD."
    ]


def test_blank_lines_are_passed_over_and_counted(tmp_path: Path) -> None:
    tally = Tally()
    assert read(written(tmp_path, HEADER + "1,,,,x\n\n\n"), NOTES, tally).height == 1
    assert tally.blank_lines == 2


def test_every_bad_cell_is_counted_and_the_first_row_named(tmp_path: Path) -> None:
    rows = [f"{n},,," + ("yesterday" if n in (900, 1700, 1800) else "") + ",x\n" for n in range(2000)]
    with pytest.raises(
        SchemaError, match=r"every cell of STORETIME must be a time .* 3 are not, first in data row 901;"
    ):
        list(batches(written(tmp_path, HEADER + "".join(rows)), NOTES, Tally(), size=300))


def test_an_empty_key_is_a_bad_cell(tmp_path: Path) -> None:
    with pytest.raises(SchemaError, match=r"SUBJECT_ID must be a whole number, but 1 is not, first in data row 2"):
        read(written(tmp_path, HEADER + "1,,,,x\n,5,,,y\n"), NOTES, Tally())


@pytest.mark.parametrize("cell", ["31.01.2150", "1/31/50", "31/01/2150 13:05"])
def test_dates_of_a_spreadsheet_are_named_as_such(tmp_path: Path, cell: str) -> None:
    with pytest.raises(SchemaError, match=r"CHARTDATE .*saved by a spreadsheet"):
        read(written(tmp_path, HEADER + f"1,,{cell},,x\n"), NOTES, Tally())


def test_a_table_most_of_whose_rows_lose_letters_is_refused(tmp_path: Path) -> None:
    rows = b"1,,,,tea\n2,,,,caf\xe9\n3,,,,th\xe9\n"
    with pytest.raises(SchemaError, match=r"must be UTF-8, but bytes of 2 of its 3 rows are none, first in data row 2"):
        read(written(tmp_path, HEADER.encode() + rows), NOTES, Tally())


@pytest.mark.parametrize("cell", ["2150-01-31T13:05:00", "2150-01-31 13:05:00.000", "2150-01-31T13:05:00.123456"])
def test_times_of_a_warehouse_are_read_to_the_second(tmp_path: Path, cell: str) -> None:
    frame = read(written(tmp_path, HEADER + f"1,,{cell},{cell},x\n2,,,2150-02-01 00:00:00,y\n"), NOTES, Tally())
    assert frame["storetime"][0] == datetime(2150, 1, 31, 13, 5)  # noqa: DTZ001 - charts have no zone
    assert frame["chartdate"][0] == date(2150, 1, 31)


@pytest.mark.parametrize("cell", ["2150-01-31 13:05:00 UTC", "2150-01-31T13:05:00Z", "2150-01-31 13:05:00+00:00"])
def test_times_with_a_zone_are_refused_with_that_reason(tmp_path: Path, cell: str) -> None:
    with pytest.raises(SchemaError, match=r"STORETIME .*they have a time zone, .*convert them to local time"):
        read(written(tmp_path, HEADER + f"1,,,{cell},x\n"), NOTES, Tally())


def test_whole_numbers_that_a_spreadsheet_has_rounded_are_refused_with_that_reason(tmp_path: Path) -> None:
    with pytest.raises(SchemaError, match=r"HADM_ID .*a spreadsheet has rounded them"):
        read(written(tmp_path, HEADER + "1,1.0E+07,,,x\n"), NOTES, Tally())


def test_words_that_only_programs_write_are_counted_where_a_release_leaves_cells_empty(tmp_path: Path) -> None:
    tally = Tally()
    read(written(tmp_path, HEADER + "1,,,,NULL\n2,,,,\\N\n3,,,,NA\n4,,,,x\n"), NOTES, tally)
    assert tally.warnings("NOTES") == [
        "NOTES: 1 cells (NULL) and 1 cells (\\N) of TEXT hold what a program writes where nothing is known, and are "
        "read as that word; export them as empty cells."
    ]  # `NA` may be a word of the hospital


def test_texts_that_excel_has_cut_are_counted(tmp_path: Path) -> None:
    tally = Tally()
    texts = [
        "x" * 32_767,
        "x" * 32_766,
        "x" * 32_768,
        "x" * 32_767,
        "x" * 32_766 + "é",
        "x" * 32_765 + "é",
        "é" * 32_767,
    ]
    rows = "".join(f"{n},,,,{text}\n" for n, text in enumerate(texts))
    read(written(tmp_path, HEADER + rows), NOTES, tally)
    assert tally.warnings("NOTES")[0].startswith("NOTES: 4 texts end at 32,767 characters, the most that a cell of Exc")


@pytest.mark.parametrize("cell", ["2150-02-30 00:00:00", "2150-02-30T00:00:00", "31.01.2150", "2150-01-31 13:05"])
def test_times_in_another_form_are_refused_and_never_guessed(tmp_path: Path, cell: str) -> None:
    with pytest.raises(SchemaError, match="STORETIME"):
        read(written(tmp_path, HEADER + f"1,,,{cell},x\n"), NOTES, Tally())


def test_a_missing_column_is_named_and_what_stands_instead_is_not(tmp_path: Path) -> None:
    with pytest.raises(SchemaError, match=r"NOTES.csv must have the columns TEXT") as caught:
        read(written(tmp_path, "SUBJECT_ID,HADM_ID,CHARTDATE,Mrs Canary has fever\n1,,,\n"), NOTES, Tally())
    assert "Canary" not in str(caught.value)


@pytest.mark.parametrize("again", ["text", "TEXT", '" TEXT"'])
def test_a_column_that_stands_there_twice_is_refused(tmp_path: Path, again: str) -> None:
    with pytest.raises(SchemaError, match="one column TEXT, but has 2"):
        read(written(tmp_path, f"SUBJECT_ID,HADM_ID,CHARTDATE,TEXT,{again}\n1,,,a,b\n"), NOTES, Tally())


def test_columns_that_nobody_asks_for_may_stand_there_twice_or_have_no_name(tmp_path: Path) -> None:
    assert texts(written(tmp_path, "SUBJECT_ID,x,,x,HADM_ID,CHARTDATE,,TEXT\n1,,,,,,,a\n")) == ["a"]


def test_a_byte_order_mark_is_no_part_of_the_first_name(tmp_path: Path) -> None:
    content = b"\xef\xbb\xbf" + HEADER.encode() + b"1,,,,x\n"
    assert texts(written(tmp_path, content)) == ["x"]
    assert texts(written(tmp_path, gzip.compress(content), "NOTES.csv.gz")) == ["x"]


@pytest.mark.parametrize("packed", [False, True])
def test_utf16_is_named(tmp_path: Path, packed: bool) -> None:
    content = (HEADER + "1,,,,x\n").encode("utf-16")
    file = written(tmp_path, gzip.compress(content), "NOTES.csv.gz") if packed else written(tmp_path, content)
    with pytest.raises(SchemaError, match=r"must be UTF-8, but it is UTF-16 by its first bytes"):
        texts(file)


def test_semicolons_are_named(tmp_path: Path) -> None:
    with pytest.raises(
        SchemaError, match=r"must have the columns SUBJECT_ID, .*; it is separated by semicolons; export"
    ):
        texts(written(tmp_path, HEADER.replace(",", ";") + "1;;;;a, b\n"))


def test_the_nearest_names_are_told_where_the_first_line_is_a_header(tmp_path: Path) -> None:
    content = HEADER.replace("TEXT", "NOTE_TEXT").replace("CHARTDATE", "CHART_DATE") + "1,,,,x\n"
    with pytest.raises(SchemaError, match=r"did you mean CHART_DATE for CHARTDATE, NOTE_TEXT for TEXT\?"):
        texts(written(tmp_path, content))


def test_a_table_with_a_key_must_have_rows_and_no_key_twice(tmp_path: Path) -> None:
    with pytest.raises(SchemaError, match="must have rows, but it has a header line and nothing below"):
        keyed(written(tmp_path, HEADER), NOTES, Tally(), "subject_id")
    with pytest.raises(SchemaError, match="every subject_id must occur once, but 2 rows"):
        keyed(written(tmp_path, HEADER + "1,,,,x\n1,,,,y\n2,,,,z\n"), NOTES, Tally(), "subject_id")
    assert keyed(written(tmp_path, HEADER + "1,,,,x\n"), NOTES, Tally(), "subject_id").height == 1
