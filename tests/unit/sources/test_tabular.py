"""A table of one's own: any format, any id, labels beside the texts or apart, and errors that quote nobody."""

import gzip
import json
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from chartune.errors import ConfigError, DataError, SchemaError
from chartune.notes.note import SCHEMA
from chartune.sources.reading import columns_of
from chartune.sources.tables import Column, Table
from chartune.sources.tabular import Tabular
from chartune.testing.open_data import open_data

CANARY = "Mr Canary Birdsong of Cage Lane"
ROWS: list[dict[str, Any]] = [
    {"text": 'one,\n"two"', "subject_id": 17, "label": "died"},
    {"text": "NA", "subject_id": 17, "label": None},
    {"text": None, "subject_id": 3, "label": "survived"},
]


def csv(folder: Path, content: str, name: str = "notes.csv") -> Path:
    file = folder / name
    file.write_text(content, encoding="utf-8")
    return file


def as_csv(file: Path) -> None:
    pl.DataFrame(ROWS).write_csv(file, quote_style="non_numeric")


def as_tsv(file: Path) -> None:
    pl.DataFrame(ROWS).write_csv(file, separator="\t", quote_style="non_numeric")


def as_json_lines(file: Path) -> None:
    text = "\n\n".join(json.dumps(row) for row in ROWS) + "\n"
    file.write_bytes(gzip.compress(text.encode()) if file.suffix == ".gz" else text.encode())


def as_parquet(file: Path) -> None:
    pl.DataFrame(ROWS).write_parquet(file)


@pytest.mark.parametrize(
    ("name", "write"),
    [("n.csv", as_csv), ("n.tsv", as_tsv), ("n.jsonl", as_json_lines), ("N.JSONL.gz", as_json_lines),
     ("n.ndjson", as_json_lines), ("n.parquet", as_parquet)],
)  # fmt: skip
def test_every_format_becomes_the_same_records(tmp_path: Path, name: str, write: Callable[[Path], None]) -> None:
    write(tmp_path / name)
    records = Tabular(file=tmp_path / name, null_marks=()).load()
    notes = pl.concat(records.notes())
    assert notes.schema == pl.Schema(SCHEMA)
    assert notes.select("note_id", "note_seq", "subject_id", "hadm_id", "category", "text").rows() == [
        ("1", 1, 17, 1, "Note", 'one,\n"two"'), ("2", 2, 17, 2, "Note", "NA"), ("3", 3, 3, 3, "Note", None),
    ]  # fmt: skip
    assert records.labels is not None
    assert records.labels.rows() == [(17, 1, "died"), (17, 2, None), (3, 3, "survived")]
    assert records.labels.columns == ["subject_id", "hadm_id", "label"]
    assert records.subjects["subject_id"].to_list() == [3, 17]
    assert records.tallies["notes"].rows == 3
    assert records.warnings == ()


def test_a_table_of_ones_own_has_no_bedside_chart_and_says_so(tmp_path: Path) -> None:
    as_csv(tmp_path / "n.csv")
    source = Tabular(file=tmp_path / "n.csv", null_marks=())
    assert not source.has_events()
    with pytest.raises(SchemaError, match=r"n\.csv is one table of notes; leave these tasks out with --tasks"):
        source.load(events=True)
    records = source.load()
    assert (records.stays, records.ventilation) == (None, None)
    assert records.subjects["dod"].null_count() == 2


def test_admissions_have_the_columns_of_every_source_and_know_nothing(tmp_path: Path) -> None:
    as_csv(tmp_path / "n.csv")
    admissions = Tabular(file=tmp_path / "n.csv", null_marks=()).load().admissions
    assert admissions.select("subject_id", "hadm_id").rows() == [(17, 1), (17, 2), (3, 3)]
    assert all(admissions[name].null_count() == 3 for name in admissions.columns[2:])
    assert admissions.schema["admittime"] == admissions.schema["dischtime"] == pl.Datetime("us")
    assert {"deathtime", "admission_type", "hospital_expire_flag", "age", "race"} <= set(admissions.columns)


def test_columns_may_have_other_names_in_any_case(tmp_path: Path) -> None:
    file = csv(
        tmp_path, "NOTE_TEXT,Patient,Seen,Outcome,id\nhello,a,2150-01-31,1.0,77\nyou,b,2150-02-01 10:00:00,0,78\n"
    )
    records = Tabular(file=file, text="note_text", subject="patient", label="outcome", time="seen", id="ID").load()
    assert records.labels is not None
    assert records.labels["hadm_id"].to_list() == records.admissions["hadm_id"].to_list() == [77, 78]
    assert records.labels["label"].to_list() == ["1", "0"]
    assert records.admissions["admittime"].to_list() == [datetime(2150, 1, 31), datetime(2150, 2, 1, 10)]  # noqa: DTZ001
    assert pl.concat(records.notes())["chartdate"].to_list() == [date(2150, 1, 31), date(2150, 2, 1)]


def test_times_and_whole_numbers_of_a_typed_file_are_read_as_such(tmp_path: Path) -> None:
    columns = {"text": ["a", "b"], "subject_id": [1.0, 2.0], "label": [1.0, None], "at": [datetime(2150, 1, 31, 9)] * 2}  # noqa: DTZ001
    pl.DataFrame(columns).write_parquet(tmp_path / "n.parquet")
    records = Tabular(file=tmp_path / "n.parquet", time="at").load()
    assert records.labels is not None
    assert records.labels.rows() == [(1, 1, "1"), (2, 2, None)]
    assert records.admissions["admittime"].to_list() == [datetime(2150, 1, 31, 9)] * 2  # noqa: DTZ001


def test_parquet_times_with_a_zone_are_refused_and_not_read_as_if_they_had_none(tmp_path: Path) -> None:
    at = pl.Series([datetime(2101, 1, 1, 23, tzinfo=UTC)], dtype=pl.Datetime("us", "America/New_York"))
    pl.DataFrame({"text": ["a"], "subject_id": [1], "at": at}).write_parquet(tmp_path / "n.parquet")
    table = Tabular(file=tmp_path / "n.parquet", label=None)
    assert table.load().admissions.height == 1  # nobody asks for the column
    with pytest.raises(SchemaError, match=r"those of at are in the zone America/New_York; convert them to local time"):
        table.model_copy(update={"time": "at"}).load()


def test_new_rows_never_change_the_number_of_an_old_patient(tmp_path: Path) -> None:
    few = csv(tmp_path, "text,subject_id,label\na,P-1,x\nb,17,x\n", "few.csv")
    many = csv(tmp_path, "text,subject_id,label\nz,007,x\na,P-1,x\nb,17.0,x\nc,7,x\n", "many.csv")
    one, two = Tabular(file=few).load().admissions, Tabular(file=many).load().admissions
    assert one["subject_id"][1] == two["subject_id"][2] == 17
    assert one["subject_id"][0] == two["subject_id"][1]
    assert two["subject_id"].n_unique() == 4  # 007 is not 7
    assert two["subject_id"].min() == 7


def test_text_ids_name_documents_and_rows_number_them(tmp_path: Path) -> None:
    file = csv(tmp_path, "text,subject_id,label,doc\na,1,x,d-1\nb,1,x,d-2\n")
    notes = pl.concat(Tabular(file=file, id="doc").load().notes())
    assert notes.select("note_id", "hadm_id").rows() == [("d-1", 1), ("d-2", 2)]


def test_without_a_column_of_patients_each_row_is_one_and_a_warning_says_so(tmp_path: Path) -> None:
    records = Tabular(file=csv(tmp_path, "text,label\na,x\nb,y\n"), subject=None).load()
    assert records.subjects.height == 2
    assert "each row counts as a patient of its own" in records.warnings[0]


def test_a_document_may_be_its_patient(tmp_path: Path) -> None:
    records = Tabular(file=csv(tmp_path, "text,label,case\na,x,5\nb,y,6\n"), subject="case", id="case").load()
    assert records.admissions.select("subject_id", "hadm_id").rows() == [(5, 5), (6, 6)]


def test_without_labels_there_are_none(tmp_path: Path) -> None:
    assert Tabular(file=csv(tmp_path, "text,subject_id\na,1\n"), label=None).load().labels is None


def test_several_labels_of_a_cell_become_rows(tmp_path: Path) -> None:
    file = csv(tmp_path, 'text,subject_id,label\na,1,"I10; E11.9;;I10"\nb,2,\nc,3,I10\n')
    labels = Tabular(file=file, separator=";").load().labels
    assert labels is not None
    assert labels.rows() == [(1, 1, "I10"), (1, 1, "E11.9"), (2, 2, None), (3, 3, "I10")]


def test_lists_of_labels_need_a_separator(tmp_path: Path) -> None:
    file = csv(tmp_path, '{"text": "a", "subject_id": "x", "label": ["I10", "E11"]}\n', "n.jsonl")
    with pytest.raises(SchemaError, match="1 hold lists or several lines; name a `separator`"):
        Tabular(file=file).load()
    labels = Tabular(file=file, separator=";").load().labels
    assert labels is not None
    assert labels["label"].to_list() == ["I10", "E11"]
    pl.DataFrame({"text": ["a"], "subject_id": [1], "label": [["I10", "E11"]]}).write_parquet(tmp_path / "n.parquet")
    labels = Tabular(file=tmp_path / "n.parquet", separator=";").load().labels
    assert labels is not None
    assert labels["label"].to_list() == ["I10", "E11"]


NOTES_OF_TWO = "text,subject_id,doc\na,1,d-1\nb,2,d-2\n"


def test_labels_may_stand_in_a_file_of_their_own(tmp_path: Path) -> None:
    file, labels = csv(tmp_path, NOTES_OF_TWO), csv(tmp_path, "doc,label\nd-2,yes\n", "labels.csv")
    records = Tabular(file=file, id="doc", labels=labels).load()
    assert records.labels is not None
    assert records.labels.rows() == [(1, 1, None), (2, 2, "yes")]
    assert records.tallies["labels"].rows == 1


def test_labels_of_another_file_may_be_known_by_row_number(tmp_path: Path) -> None:
    file, labels = csv(tmp_path, NOTES_OF_TWO), csv(tmp_path, "id,label\n2,yes\n1,no\n", "labels.csv")
    records = Tabular(file=file, labels=labels).load()
    assert records.labels is not None
    assert records.labels["label"].to_list() == ["no", "yes"]


def test_labels_of_unknown_documents_are_refused_by_count_and_row(tmp_path: Path) -> None:
    labels = csv(tmp_path, f"doc,label\nd-1,yes\n{CANARY},no\nd-4,no\n", "labels.csv")
    with pytest.raises(DataError, match=r"2 of 3 rows name none of the 2 there, first in data row 2;") as caught:
        Tabular(file=csv(tmp_path, NOTES_OF_TWO), id="doc", labels=labels).load()
    assert "Canary" not in str(caught.value)


def test_an_id_may_stand_in_several_rows_of_labels_only_with_a_separator(tmp_path: Path) -> None:
    labels = csv(tmp_path, "doc,label\nd-1,I10\nd-1,E11;I21\n", "labels.csv")
    source = Tabular(file=csv(tmp_path, NOTES_OF_TWO), id="doc", labels=labels)
    with pytest.raises(SchemaError, match="every doc must occur once, but 2 rows"):
        source.load()
    by_semicolons = source.model_copy(update={"separator": ";"}).load().labels
    assert by_semicolons is not None
    assert by_semicolons.rows() == [(1, 1, "I10"), (1, 1, "E11"), (1, 1, "I21"), (2, 2, None)]


def test_a_missing_column_is_told_with_the_nearest_name(tmp_path: Path) -> None:
    file = csv(tmp_path, "note_text,subject_id,outcome\na,1,x\n")
    with pytest.raises(SchemaError, match=r"columns text, label, .* \(did you mean note_text for text\?\)"):
        Tabular(file=file).load()


@pytest.mark.parametrize(("name", "headed"), [("n.jsonl", False), ("n.parquet", False), ("n.csv", True)])
def test_only_a_file_that_begins_with_names_is_advised_a_header_line(tmp_path: Path, name: str, headed: bool) -> None:
    file, row = tmp_path / name, {"note": "a", "person": "7"}
    if name == "n.parquet":
        pl.DataFrame(row).write_parquet(file)
    else:
        file.write_text(json.dumps(row) + "\n" if name == "n.jsonl" else "note,person\na,7\n", encoding="utf-8")
    with pytest.raises(SchemaError, match=r"must have the columns .* say what its columns are called") as caught:
        Tabular(file=file).load()
    assert ("header line" in str(caught.value)) == headed
    with pytest.raises(SchemaError, match="must have the columns") as plain:
        columns_of(file, Table("t", (Column("text", "text"),)))
    assert ("header line" in str(plain.value)) == headed


def test_a_file_without_its_header_line_shows_nobodys_words(tmp_path: Path) -> None:
    file = csv(tmp_path, f"{CANARY},textcanary,labelcanary\nb,2,y\n")
    with pytest.raises(SchemaError, match="3 columns, 0 known") as caught:
        Tabular(file=file).load()
    assert "anary" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("text,subject_id,label\na,,x\n", "every cell of subject_id must be text and not empty, but 1 is not"),
        (
            'text,subject_id,label\nx,1,y\na," ",x\n',
            "subject_id must name something, but 1 are blank, first in data row 2",
        ),
        ("text,subject_id,label\n", "must have rows, but it has none"),
        ("", "zero bytes"),
        ('text,subject_id,label\n"open,1,x\n', "must be readable as CSV"),
    ],
)
def test_a_bad_table_is_refused_with_a_way_out(tmp_path: Path, content: str, expected: str) -> None:
    with pytest.raises(SchemaError, match=r"notes\.csv.*" + expected):
        Tabular(file=csv(tmp_path, content)).load()


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (f'{{"text": "a"}}\n{{"text": "{CANARY}\n', "every line must be one JSON object, but row 2 is none"),
        (f'["{CANARY}"]\n', "row 1 is none"),
        (f'{{"text": {{"{CANARY}": 1}}, "subject_id": 1, "label": 1}}\n', "one of row 1 holds an object"),
        ("[" * 100_000, "row 1 is none"),
        (f'{{"text": "a"}}\n\n  \n["{CANARY}"]\n', "row 2 is none"),
        (f'{{"text": "a"}}\n{{"text": "{CANARY}", "label": 1, "text": ""}}\n', "row 2 has a key twice; export it with"),
        (f'{{"text": "a", "of": {{"a": 1, "a": "{CANARY}"}}}}\n', "row 1 has a key twice"),
    ],
)
def test_a_bad_json_line_is_placed_and_not_quoted(tmp_path: Path, content: str, expected: str) -> None:
    with pytest.raises(SchemaError, match=expected) as caught:
        Tabular(file=csv(tmp_path, content, "n.jsonl")).load()
    chain: BaseException | None = caught.value
    while chain:
        assert "Canary" not in f"{chain!r}"
        chain = chain.__cause__ or chain.__context__


def test_dates_that_a_spreadsheet_has_mangled_are_refused(tmp_path: Path) -> None:
    file = csv(tmp_path, "text,subject_id,label,seen\na,1,x,10/23/64 21:09\n")
    with pytest.raises(SchemaError, match=r"seen must be a time .* saved by a spreadsheet, which may lose the century"):
        Tabular(file=file, time="seen").load()


def test_an_id_that_occurs_twice_is_refused(tmp_path: Path) -> None:
    file = csv(tmp_path, "text,subject_id,label,doc\na,1,x,d\nb,2,x,d \n")
    with pytest.raises(SchemaError, match="every doc must occur once, but 2 rows"):
        Tabular(file=file, id="doc").load()


@pytest.mark.parametrize(
    ("name", "expected"), [("n.xlsx", "a spreadsheet"), ("n.pkl", "a pickle"), ("n", "something else")]
)
def test_other_formats_are_refused_by_name(tmp_path: Path, name: str, expected: str) -> None:
    with pytest.raises(SchemaError, match=f"must be CSV, TSV, JSON Lines or Parquet .* is {expected}"):
        Tabular(file=csv(tmp_path, "x", name)).load()


def test_a_file_that_is_none_is_named(tmp_path: Path) -> None:
    with pytest.raises(SchemaError, match=r"the table of notes must be a file, but .*none\.csv"):
        Tabular(file=tmp_path / "none.csv").files()


@pytest.mark.parametrize(
    ("fields", "expected"),
    [({"text": "x", "label": "X"}, "columns of their own"), ({"labels": "l.csv", "label": None}, "needs the name"),
     ({"text": ""}, "at least 1 character"), ({"separator": ""}, "at least 1 character")],
)  # fmt: skip
def test_columns_that_do_not_fit_together_are_refused(fields: dict[str, Any], expected: str) -> None:
    with pytest.raises(ConfigError, match=expected):
        Tabular.parse({"file": "n.csv", **fields})


def test_columns_change_the_fingerprint_and_places_do_not(tmp_path: Path) -> None:
    one, two = Tabular(file=tmp_path / "a.csv"), Tabular(file=tmp_path / "b.csv", title="B", labels=tmp_path / "l.csv")
    assert one.hashable() == two.hashable()
    assert one.hashable() != Tabular(file=tmp_path / "a.csv", text="note").hashable()
    assert one.folder == tmp_path


def test_rows_stay_with_their_patients_over_many_batches(tmp_path: Path) -> None:
    rows = "".join(f"text {n},P{n % 977},{n % 3}\n" for n in range(20_000))
    records = Tabular(file=csv(tmp_path, "text,subject_id,label\n" + rows)).load()
    notes = pl.concat(records.notes())
    assert notes["text"].to_list() == [f"text {n}" for n in range(20_000)]
    assert notes["hadm_id"].to_list() == list(range(1, 20_001))
    assert notes.select("subject_id", "hadm_id").equals(records.admissions.select("subject_id", "hadm_id"))
    assert notes.group_by(pl.int_range(pl.len()) % 977).agg(pl.col("subject_id").n_unique())["subject_id"].max() == 1


def test_real_notes_with_lists_of_specialties_are_read() -> None:
    file = open_data("mtsamples") / "mtsamples.jsonl.gz"
    records = Tabular(file=file, subject=None, id="id", label="specialties", separator=";").load()
    assert records.labels is not None
    assert (records.subjects.height, records.labels["label"].n_unique()) == (1647, 40)
    assert sum(part.height for part in records.notes()) == 1647


def test_real_sections_with_their_headers_are_read() -> None:
    file = open_data("mts-dialog") / "MTS-Dialog-TrainingSet.csv.gz"
    records = Tabular(file=file, text="section_text", label="section_header", subject="ID", id="ID").load()
    assert records.labels is not None
    counts = dict(records.labels["label"].value_counts().iter_rows())
    assert (len(counts), counts["FAM/SOCHX"], counts["LABS"]) == (20, 351, 2)


@pytest.mark.parametrize(("rows", "refused"), [(9, False), (10, True)])
def test_ids_that_are_all_alike_are_told_as_such_and_not_by_the_labels(
    tmp_path: Path, rows: int, refused: bool
) -> None:
    content = "text,subject_id,label\n" + "".join(f"note {n},7,{n % 2}\n" for n in range(rows))
    source = Tabular(file=csv(tmp_path, content))
    if not refused:
        assert source.load().subjects.height == 1
        return
    with pytest.raises(SchemaError, match=r"subject_id must name the patients, but all of its cells are alike"):
        source.load()
    assert source.model_copy(update={"subject": None}).load().subjects.height == rows
