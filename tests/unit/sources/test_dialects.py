"""Other programs' dialects: read by rule and said, or refused by count, with the switch that settles it."""

import csv
import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from chartune.errors import SchemaError
from chartune.sources import own_dialect, whole_rows
from chartune.sources.external_labels import TableLabels
from chartune.sources.source import Records
from chartune.sources.tabular import Tabular

CANARY = "Mr Canary Birdsong"
ROWS = [{"text": f"{CANARY} coughs {n}", "subject_id": f"P{n}", "label": ("yes", "no")[n % 2]} for n in range(12)]


def texts(records: Records) -> list[str | None]:
    return list(pl.concat(records.notes())["text"])


def labels(records: Records) -> list[str | None]:
    assert records.labels is not None
    return list(records.labels["label"])


def written(folder: Path, name: str, rows: list[dict[str, Any]]) -> Path:
    """Rows in the format of the name; null as the format has it."""
    file = folder / name
    if name.endswith(".parquet"):
        pl.DataFrame(rows).write_parquet(file)
    elif ".jsonl" in name:
        text = "".join(json.dumps(row) + "\n" for row in rows).encode()
        file.write_bytes(gzip.compress(text) if name.endswith(".gz") else text)
    else:
        text = pl.DataFrame(rows).write_csv(separator="\t" if ".tsv" in name else ",").encode()
        file.write_bytes(gzip.compress(text) if name.endswith(".gz") else text)
    return file


FORMATS = ("n.csv", "n.csv.gz", "n.tsv", "n.jsonl", "n.jsonl.gz", "n.parquet")


def spoilt(column: str, *cells: str | float) -> list[dict[str, Any]]:
    return [{**row, column: cells[n]} if n < len(cells) else row for n, row in enumerate(ROWS)]


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("column", ["label", "subject_id", "text"])
def test_a_mark_for_nothing_is_refused_by_count_until_somebody_says_what_it_means(
    tmp_path: Path, name: str, column: str
) -> None:
    file = written(tmp_path, name, spoilt(column, "NA", " NA ", "None"))
    with pytest.raises(SchemaError) as caught:
        Tabular(file=file).load()
    assert f"({column}: 2 cells (NA) and 1 cells (None)); say which mean nothing, --null-marks 'NA,None'" in str(
        caught.value
    )
    assert "Canary" not in str(caught.value)
    kept = Tabular(file=file, null_marks=()).load()
    meant = Tabular(file=file, null_marks=("NA",))
    if column == "label":
        assert labels(kept)[:4] == ["NA", "NA", "None", "no"]
        assert labels(meant.load())[:4] == [None, None, "None", "no"]
    elif column == "text":
        assert texts(meant.load())[:3] == [None, None, "None"]
        assert texts(kept)[:3] == ["NA", " NA ", "None"]
    else:
        assert kept.subjects.height == 11
        with pytest.raises(SchemaError, match=r"subject_id must be text and not empty, but 2 are not"):
            meant.load()


@pytest.mark.parametrize("mark", ["NaN", "NULL", ".", "\\N", "<NA>", "N/A", "#N/A", "nan"])
def test_every_usual_mark_is_known(tmp_path: Path, mark: str) -> None:
    file = written(tmp_path, "n.csv", spoilt("label", mark))
    with pytest.raises(SchemaError, match="nobody has said whether these are meant so"):
        Tabular(file=file).load()
    assert labels(Tabular(file=file, null_marks=(mark,)).load())[:2] == [None, "no"]


def test_words_of_people_are_no_marks(tmp_path: Path) -> None:
    assert labels(Tabular(file=written(tmp_path, "n.csv", spoilt("label", "none", "nil", "unknown"))).load())[:3] == [
        "none", "nil", "unknown",
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["n.jsonl", "n.parquet"])
def test_no_number_of_a_typed_file_is_nothing(tmp_path: Path, name: str) -> None:
    rows = [{**row, "label": float("nan") if n < 3 else float(n % 2)} for n, row in enumerate(ROWS)]
    assert labels(Tabular(file=written(tmp_path, name, rows)).load())[:5] == [None, None, None, "1", "0"]


def test_a_null_in_a_yaml_list_is_the_mark_of_that_name() -> None:
    assert Tabular.parse({"file": "n.csv", "null_marks": [None, "NA"]}).null_marks == ("NULL", "NA")


def test_a_mark_in_a_file_of_labels_is_refused_too(tmp_path: Path) -> None:
    notes = written(tmp_path, "n.csv", [{"text": "a", "subject_id": 1, "id": n} for n in range(1, 4)])
    rows = [{"id": 1, "label": "NA"}, {"id": 2, "label": "x"}]
    file = written(tmp_path, "l.csv", rows)
    with pytest.raises(SchemaError, match=r"l\.csv: .*\(label: 1 cells \(NA\)\)"):
        Tabular(file=notes, id="id", labels=file).load()
    assert labels(Tabular(file=notes, id="id", labels=file, null_marks=("NA",)).load()) == [None, "x", None]
    external = written(tmp_path, "e.csv", [{"hadm_id": row["id"], "label": row["label"]} for row in rows])
    with pytest.raises(SchemaError, match=r"e\.csv: .*\(label: 1 cells \(NA\)\)"):
        TableLabels(file=external).answers(with_split=False)
    assert TableLabels(file=external, null_marks=("NA",)).answers(with_split=False)["asked"].to_list() == [None, ["x"]]


QUOTED = [f'he said "no, {n}" and "why"' if n % 3 else f"plain {n}\\" for n in range(12)]


def of_spark(folder: Path, delimiter: str = ",") -> Path:
    file = folder / "n.csv"
    with file.open("w", newline="") as out:
        writer = csv.writer(out, delimiter=delimiter, quoting=csv.QUOTE_ALL, doublequote=False, escapechar="\\")
        writer.writerow(("text", "subject_id", "label"))
        writer.writerows((text, n, "yes" if n % 2 else "no") for n, text in enumerate(QUOTED))
    return file


@pytest.mark.parametrize("delimiter", [",", ";"])
def test_quotes_behind_a_backslash_are_read_by_rule_and_it_is_said(tmp_path: Path, delimiter: str) -> None:
    source = Tabular(file=of_spark(tmp_path, delimiter))
    records = source.load()
    assert texts(records) == QUOTED
    assert records.notices[-1].startswith("notes: quotes within texts stand behind a backslash (")
    assert source.model_copy(update={"escape": "backslash"}).load().notices == records.notices[:-1]
    with pytest.raises(SchemaError, match=r"behind a backslash, as Spark and MySQL write it, first in line 3"):
        source.model_copy(update={"escape": "doubled"}).load()


def test_other_quotes_beside_those_behind_a_backslash_leave_the_rule_in_doubt(tmp_path: Path) -> None:
    file = tmp_path / "n.csv"
    rows = "".join(f'"a 6" tube, {n}",{n},yes\n' for n in range(4))
    file.write_text(f'text,subject_id,label\n"said \\"no\\" twice",9,no\n{rows}')
    source = Tabular(file=file)
    assert (source.written().dialect.escape, source.written().notices) == ("doubled", ())
    with pytest.raises(SchemaError, match=r"first in line 2 "):
        source.load()


def test_escaped_quotes_that_each_stand_before_a_separator_are_seen(tmp_path: Path) -> None:
    file = tmp_path / "n.csv"
    rows = "".join(f'"5\\", then 6\\",{n}, more",{n},yes\n"tube 7\\",\nfree",1{n},no\n' for n in range(4))
    file.write_text(f"text,subject_id,label\n{rows}")
    source = Tabular(file=file)
    assert source.written().dialect.escape == "backslash"
    assert texts(source.load())[:2] == ['5", then 6",0, more', 'tube 7",\nfree']
    with pytest.raises(SchemaError, match=r"seem to stand behind a backslash .*source\.escape=backslash"):
        source.model_copy(update={"escape": "doubled"}).load()


def test_a_backslash_of_a_text_is_no_escape(tmp_path: Path) -> None:
    rows = [{**row, "text": f'C:\\ {n} "x" \\'} for n, row in enumerate(ROWS)]
    records = Tabular(file=written(tmp_path, "n.csv", rows)).load()
    assert texts(records)[0] == 'C:\\ 0 "x" \\'
    assert records.notices == ()


def test_a_quote_that_nobody_can_explain_is_refused_with_its_place(tmp_path: Path) -> None:
    file = tmp_path / "n.csv"
    file.write_text(f'text,subject_id,label\n"a",1,yes\n{CANARY} 5" tube,2,no\n{CANARY} 6" tube,3,no\n')
    with pytest.raises(SchemaError, match=r"n\.csv .*neither doubled nor at the end of its cell, first in line 3"):
        Tabular(file=file).load()


@pytest.mark.parametrize(("sign", "expected"), [(";", "semicolons"), ("\t", "tabs"), ("|", "bars")])
def test_what_stands_between_cells_is_seen_in_the_header_line_and_said(
    tmp_path: Path, sign: str, expected: str
) -> None:
    text = pl.DataFrame([{**row, "text": f"a, b; c {n}"} for n, row in enumerate(ROWS)]).write_csv(separator=sign)
    (tmp_path / "n.csv").write_text(text)
    records = Tabular(file=tmp_path / "n.csv").load()
    assert texts(records)[0] == "a, b; c 0"
    assert records.notices == (f"notes: cells stand between {expected}, by its header line.",)
    if sign != "\t":
        with pytest.raises(SchemaError, match=f"it is separated by {expected}"):
            Tabular(file=tmp_path / "n.csv", delimiter=",").load()


def test_semicolons_are_named_before_other_names_of_columns(tmp_path: Path) -> None:
    (tmp_path / "n.csv").write_text("report;mrn;outcome\na;1;x\n")
    records = Tabular(file=tmp_path / "n.csv", text="report", subject="mrn", label="outcome").load()
    assert texts(records) == ["a"]
    with pytest.raises(SchemaError, match=r"\(3 columns, 0 known\)"):
        Tabular(file=tmp_path / "n.csv").load()


UMLAUTS = [{**row, "text": f"Übelkeit und Erbrechen – größer {n}"} for n, row in enumerate(ROWS)]


@pytest.mark.parametrize("name", ["n.csv", "n.csv.gz", "n.jsonl", "n.jsonl.gz"])
def test_letters_of_windows_are_read_as_such_and_somebody_should_confirm(tmp_path: Path, name: str) -> None:
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in UMLAUTS)
    raw = (text if "json" in name else pl.DataFrame(UMLAUTS).write_csv()).encode("cp1252")
    (tmp_path / name).write_bytes(gzip.compress(raw) if name.endswith(".gz") else raw)
    records = Tabular(file=tmp_path / name).load()
    assert texts(records)[0] == "Übelkeit und Erbrechen – größer 0"
    assert "notes: read as cp1252, as Windows writes it, because 48 of its 48 letters" in records.warnings[0]
    assert Tabular(file=tmp_path / name, encoding="cp1252").load().warnings == ()
    with pytest.raises(SchemaError, match=r"must be UTF-8, but bytes of 12 of its 12 rows are none"):
        Tabular(file=tmp_path / name, encoding="utf-8").load()


@pytest.mark.parametrize(
    ("of_windows", "more", "damaged"), [(7, b"", 7), (12, b"\x81", 12)], ids=["mixed", "not cp1252"]
)
def test_letters_of_which_one_in_ten_is_of_utf8_or_one_byte_is_none_of_windows_are_not_taken_for_its(
    tmp_path: Path, of_windows: int, more: bytes, damaged: int
) -> None:
    head, *lines = pl.DataFrame(UMLAUTS).write_csv().splitlines()
    rows = [line.encode("cp1252" if n < of_windows else "utf-8") + b"\n" for n, line in enumerate(lines)]
    rows[0] = rows[0].replace(b" ", b" " + more, 1)
    (tmp_path / "n.csv").write_bytes(head.encode() + b"\n" + b"".join(rows))
    with pytest.raises(SchemaError, match=f"must be UTF-8, but bytes of {damaged} of its 12 rows are none"):
        Tabular(file=tmp_path / "n.csv").load()


def test_letters_that_another_program_has_lost_are_letters_of_utf8(tmp_path: Path) -> None:
    lost = [
        {"text": f"gr\ufffd\ufffder {n}" if n == 3 else f"big {n}", "subject_id": n, "label": n % 2} for n in range(12)
    ]
    pl.DataFrame(lost).write_csv(tmp_path / "n.csv")
    assert texts(Tabular(file=tmp_path / "n.csv").load()) == [row["text"] for row in lost]


def test_a_stray_byte_among_letters_of_utf8_changes_no_encoding(tmp_path: Path) -> None:
    raw = pl.DataFrame(UMLAUTS).write_csv().encode().replace("größer 3".encode(), b"gr\xf6\xdfer 3")
    (tmp_path / "n.csv").write_bytes(raw)
    records = Tabular(file=tmp_path / "n.csv").load()
    assert texts(records)[:2] == [row["text"] for row in UMLAUTS[:2]]
    assert (records.tallies["notes"].replaced, records.warnings) == (1, ())


def test_utf16_is_read_by_its_first_bytes(tmp_path: Path) -> None:
    (tmp_path / "n.csv").write_bytes(pl.DataFrame(UMLAUTS).write_csv().encode("utf-16"))
    records = Tabular(file=tmp_path / "n.csv").load()
    assert texts(records) == [row["text"] for row in UMLAUTS]
    assert records.notices == ("notes: read as UTF-16, by its first bytes.",)


@pytest.mark.parametrize("name", FORMATS)
def test_ids_that_a_spreadsheet_has_rounded_are_refused_by_count(tmp_path: Path, name: str) -> None:
    file = written(tmp_path, name, spoilt("subject_id", "1.0E+07", "1.23457e+11"))
    with pytest.raises(SchemaError, match=r"subject_id must name somebody, but 2 of 12 cells .* scientific notation"):
        Tabular(file=file).load()


def test_ids_with_a_letter_e_are_ids(tmp_path: Path) -> None:
    records = Tabular(file=written(tmp_path, "n.csv", spoilt("subject_id", "3E12", "12E+4", "E.1"))).load()
    assert records.subjects.height == 12


@pytest.mark.parametrize("name", FORMATS)
def test_one_class_in_several_spellings_is_refused_until_somebody_says_what_is_meant(tmp_path: Path, name: str) -> None:
    cells = ["TRUE", "true", "1", "False", "false", "0", "T", "f", *["true"] * 4]
    file = written(tmp_path, name, spoilt("label", *cells))
    with pytest.raises(SchemaError, match=r"8 labels in 12 rows are 2 classes that differ only in case"):
        Tabular(file=file).load()
    unified = labels(Tabular(file=file, spellings="unify").load())
    assert unified == ["true"] * 3 + ["false"] * 3 + ["true", "false", *["true"] * 4]
    assert labels(Tabular(file=file, spellings="apart").load()) == cells


def test_numbers_are_no_truth_values_and_blanks_within_a_name_are(tmp_path: Path) -> None:
    file = written(tmp_path, "n.csv", spoilt("label", *"012012012012"))
    assert labels(Tabular(file=file).load()) == [*"012012012012"]
    file = written(tmp_path, "m.csv", spoilt("label", "heart  failure", "Heart failure", "heart failure"))
    with pytest.raises(SchemaError, match=r"3 labels in 3 rows are 1 classes"):
        Tabular(file=file).load()
    file = written(tmp_path, "s.csv", spoilt("label", "a; B", "A", "b"))
    with pytest.raises(SchemaError, match=r"4 labels in 4 rows are 2 classes"):
        Tabular(file=file, separator=";").load()
    external = written(tmp_path, "e.csv", [{"hadm_id": 1, "label": "Yes"}, {"hadm_id": 2, "label": "yes"}])
    with pytest.raises(SchemaError, match=r"e\.csv: label must spell each class in one way"):
        TableLabels(file=external).answers(with_split=False)


def test_other_columns_of_a_format_with_keys_are_named(tmp_path: Path) -> None:
    rows = [{"note_text": "a", "mrn": 1, "Mrs Canary has fever": 1}]
    for name in ("n.jsonl.gz", "n.parquet"):
        with pytest.raises(SchemaError, match=r"not among its keys \(3 columns, 0 known: note_text, mrn\)") as caught:
            Tabular(file=written(tmp_path, name, rows)).load()
        assert "Canary" not in str(caught.value)


@pytest.mark.parametrize(
    ("codec", "said", "expected"),
    [
        ("utf-16-le", None, "must be UTF-8, but it is UTF-16 without its mark"),
        ("utf-16-be", None, "must be UTF-8, but it is UTF-16 without its mark"),
        ("utf-32", None, "must be UTF-8, but it is UTF-32"),
        ("utf-32-le", None, "must be UTF-8, but it is UTF-32"),
        ("utf-8", "utf-16", "must be UTF-16, as `encoding` says, but its first bytes are no mark"),
        ("utf-16-le", "utf-16", "must be UTF-8, but it is UTF-16 without its mark"),
        ("utf-16", "cp1252", "must be UTF-8, but it is UTF-16 by"),
    ],
)
@pytest.mark.parametrize("ending", ["csv", "jsonl"])
def test_letters_of_two_or_four_bytes_are_named(
    tmp_path: Path, codec: str, said: Any, expected: str, ending: str
) -> None:
    frame, file = pl.DataFrame(UMLAUTS), tmp_path / f"n.{ending}"
    file.write_bytes((frame.write_csv() if ending == "csv" else frame.write_ndjson()).encode(codec))
    with pytest.raises(SchemaError, match=expected):
        Tabular(file=file, encoding=said).load()


@pytest.mark.parametrize(
    ("sign", "expected"), [("^", "circumflexes"), ("~", "tildes"), (":", "colons"), ("\x01", "control characters")]
)
def test_a_sign_between_cells_that_cannot_be_named_is_told_by_the_message(
    tmp_path: Path, sign: str, expected: str
) -> None:
    (tmp_path / "n.csv").write_text(pl.DataFrame(UMLAUTS).write_csv(separator=sign))
    with pytest.raises(SchemaError, match=f"separated by {expected}; export it with commas"):
        Tabular(file=tmp_path / "n.csv").load()


def test_a_delimiter_that_was_named_in_error_is_told(tmp_path: Path) -> None:
    (tmp_path / "n.csv").write_text(pl.DataFrame(UMLAUTS).write_csv())
    with pytest.raises(SchemaError, match="separated by commas; leave `delimiter` out"):
        Tabular(file=tmp_path / "n.csv", delimiter=";").load()


def test_a_line_for_excel_is_told(tmp_path: Path) -> None:
    (tmp_path / "n.csv").write_text("sep=,\n" + pl.DataFrame(UMLAUTS).write_csv())
    with pytest.raises(SchemaError, match="its first line is for Excel alone; remove that line"):
        Tabular(file=tmp_path / "n.csv").load()


def test_lines_that_end_as_on_an_old_macintosh_are_told(tmp_path: Path) -> None:
    (tmp_path / "n.csv").write_text(pl.DataFrame(UMLAUTS).write_csv().replace("\n", "\r"), newline="")
    with pytest.raises(SchemaError, match="lines end in a carriage return alone; export it with line feeds"):
        Tabular(file=tmp_path / "n.csv").load()


@pytest.mark.parametrize(
    ("content", "expected"),
    [(gzip.compress(b"text,label", mtime=0), "is a gzip file by its first bytes; give it the ending .gz"),
     (b"PK\x03\x04" + bytes(40), "is an archive or a spreadsheet by its first bytes"),
     (gzip.compress(gzip.compress(b"text,label", mtime=0), mtime=0), "is a gzip file by its first bytes")],
    ids=["gzip", "zip", "gzip twice"],
)  # fmt: skip
def test_a_packed_file_under_another_name_is_told(tmp_path: Path, content: bytes, expected: str) -> None:
    (tmp_path / "n.csv").write_bytes(content)
    with pytest.raises(SchemaError, match=expected):
        Tabular(file=tmp_path / "n.csv").load()


@pytest.mark.parametrize("below", ["(12 rows affected)\n", "P90;a cough;yes\nP91;a fever;no\n"])
def test_lines_that_are_no_rows_are_counted_and_not_taken_for_patients_in_silence(tmp_path: Path, below: str) -> None:
    file = tmp_path / "n.csv"
    file.write_text(pl.DataFrame(ROWS).select("subject_id", "text", "label").write_csv() + below)
    warned = Tabular(file=file).load().warnings
    assert [line for line in warned if "neither text nor label" in line] == [
        f"notes: {below.count(chr(10))} rows hold neither text nor label, as lines below a table leave, or rows whose "
        "cells stand between other signs than those of the header; remove or correct them."
    ]


def test_a_row_of_text_or_label_alone_is_no_such_line(tmp_path: Path) -> None:
    file = tmp_path / "n.csv"
    file.write_text(pl.DataFrame(ROWS).write_csv() + f"{CANARY},P90,\n,P91,yes\n")
    assert Tabular(file=file).load().warnings == ()


def test_what_is_said_of_a_table_names_no_file_since_equal_bytes_are_the_same_data(tmp_path: Path) -> None:
    said = []
    for name in ("first.csv", "second.csv"):
        (tmp_path / name).write_bytes("text;subject_id;label\nMüller;1;a\nGröße;2;b\n;3;\n".encode("cp1252"))
        records = Tabular(file=tmp_path / name).load()
        said.append((*records.warnings, *records.notices))
    assert said[0] == said[1]
    assert [line.partition(":")[0] for line in said[0]] == ["notes"] * 3


@pytest.mark.parametrize(("codec", "times"), [("utf-8", 1), ("cp1252", 2)])
def test_a_table_is_unpacked_once_to_see_how_it_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, codec: str, times: int
) -> None:
    monkeypatch.setattr(whole_rows, "PIECE", 1000)
    content = "".join(f'{row};"sagt ""hü"" zu ihm"\n' for row in range(1000)).encode(codec)
    (tmp_path / "t.csv.gz").write_bytes(gzip.compress(b"subject_id;text\n" + content))
    seen: list[int] = []
    plain = whole_rows.letters

    def counted(file: Path, encoding: str) -> Iterator[bytes]:
        for piece in plain(file, encoding):
            seen.append(len(piece))
            yield piece

    monkeypatch.setattr(own_dialect, "letters", counted)
    found = Tabular(file=tmp_path / "t.csv.gz").written()
    assert (found.dialect.encoding, found.dialect.delimiter, found.dialect.escape) == (codec, ";", "doubled")
    assert times * len(content) <= sum(seen) <= times * (len(content) * 1.1 + 2000)  # and the header line
