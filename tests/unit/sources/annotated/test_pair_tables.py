"""Tables of pairs and PubMedQA: columns by name, splits by column, file or hash, groups that stay whole, refusals."""

from pathlib import Path

import polars as pl
import pytest

from chartune.errors import SchemaError
from chartune.sources.annotated.corpus import DEV_IS_TEST
from chartune.sources.annotated.detect import detect_annotated
from chartune.sources.annotated.dev import DevSplit
from chartune.sources.annotated.documents import AnnotatedRecords
from chartune.sources.annotated.pair_tables import DRAWN, NO_LABEL, NO_TEXT, PairTables
from chartune.sources.annotated.pubmedqa import PubMedQa
from chartune.tasks.annotated.prepare import _with_validation
from chartune.testing.downloads import write_loose
from chartune.testing.open_data import open_data
from chartune.testing.text_pairs import feverish, lines, write_pairs, write_pubmedqa

HEAD = "premise,hypothesis,label\n"


def read(folder: Path, files: dict[str, str], **fields: str) -> AnnotatedRecords:
    return PairTables.parse({"folder": str(write_loose(folder, files)), **fields}).load()


def _share(pairs: pl.DataFrame, split: str) -> float:
    return pairs.filter(pl.col("split") == split).height / pairs.height


def test_rows_of_named_files_stand_in_their_splits_with_both_texts(tmp_path: Path) -> None:
    records = PairTables(folder=write_pairs(tmp_path)).load()
    assert dict(records.pairs.group_by("split").len().rows()) == {"train": 192, "validation": 48, "test": 48}
    first = feverish(1, 2)[0]
    row = records.pairs.row(by_predicate=pl.col("pair_id") == first["id"], named=True)
    assert (row["premise"], row["hypothesis"], row["label"], row["split"]) == (
        first["premise"], first["hypothesis"], first["label"], "test",
    )  # fmt: skip


def test_any_usual_format_and_names_of_columns_will_do(tmp_path: Path) -> None:
    files = {"train.tsv": "Question\tcontext\tfinal_decision\nq\tc c\tyes\n", "test.jsonl": lines([
        {"chq": "a", "faq": "b", "label": 1},
    ])}  # fmt: skip
    rows = read(tmp_path, files).pairs.select("premise", "hypothesis", "label", "split", "pair_id").rows()
    assert rows == [("a", "b", "1", "test", "test.jsonl-1"), ("q", "c c", "yes", "train", "train.tsv-1")]
    own = read(tmp_path / "own", {"test.csv": "x;y;z\n1 a;2 b;3\n"}, first="x", second="y", label="z").pairs
    assert own.select("premise", "hypothesis", "label").rows() == [("1 a", "2 b", "3")]


def test_a_column_of_splits_decides_before_the_name_of_the_file(tmp_path: Path) -> None:
    made = read(tmp_path, {"train.csv": "premise,hypothesis,label,split\na,b,c,dev\nd,e,f,\ng,h,i,Test\n"}).pairs
    assert sorted(made.select("premise", "split").rows()) == [("a", "validation"), ("d", "train"), ("g", "test")]
    with pytest.raises(SchemaError, match="must say train, validation"):
        read(tmp_path / "odd", {"train.csv": "premise,hypothesis,label,split\na,b,c,somewhere\n"})


def test_without_a_test_split_the_development_split_is_it_or_a_hash_draws_whole_groups(tmp_path: Path) -> None:
    dev = read(tmp_path / "dev", {"train.csv": f"{HEAD}a,b,c\n", "dev.csv": f"{HEAD}d,e,f\n"})
    assert dict(dev.pairs.select("premise", "split").rows()) == {"a": "train", "d": "test"}
    assert [finding.reason for finding in dev.findings.all()] == [DEV_IS_TEST]
    rows = "".join(f"premise {n // 4},hypothesis {n},{n % 2}\n" for n in range(400))
    upper = rows.replace("premise 7,", "  PREMISE  7,", 2)
    drawn = read(tmp_path / "drawn", {"train.csv": HEAD + upper})
    assert [finding.reason for finding in drawn.findings.all()] == [DRAWN]
    groups = drawn.pairs.group_by("group").agg(pl.col("split").n_unique(), pl.len())
    assert groups["split"].to_list() == [1] * 100
    assert groups["len"].to_list() == [4] * 100
    assert 0.12 < _share(drawn.pairs, "test") < 0.28
    parted = _with_validation(DevSplit(), drawn.pairs)
    assert parted.group_by("group").agg(pl.col("split").n_unique())["split"].max() == 1
    assert 0.03 < _share(parted, "validation") < 0.15
    assert parted.filter(pl.col("split") == "test").height == drawn.pairs.filter(pl.col("split") == "test").height


def test_an_empty_side_or_label_is_left_out_and_counted(tmp_path: Path) -> None:
    records = read(tmp_path, {"test.csv": f"{HEAD}a,,c\n ,b,c\nd,e,\ng,h,i\n"})
    assert records.pairs["premise"].to_list() == ["g"]
    assert {finding.reason: finding.count for finding in records.findings.all()} == {NO_TEXT: 2, NO_LABEL: 1}


def test_missing_columns_and_ids_that_occur_twice_are_refused_without_a_word_of_the_texts(tmp_path: Path) -> None:
    with pytest.raises(SchemaError, match=r"columns of two texts .* and of a label .*source\.first=") as lacking:
        read(tmp_path, {"test.csv": "premise,secret,label\na,b,c\n"})
    assert "secret" not in str(lacking.value)
    with pytest.raises(SchemaError, match="2 rows share theirs"):
        read(tmp_path / "twice", {"test.csv": "id,premise,hypothesis,label\n7,a,b,c\n7,d,e,f\n"})


def test_folders_of_pairs_are_recognised_and_other_tables_are_not(tmp_path: Path) -> None:
    assert detect_annotated(write_pairs(tmp_path / "pairs")) == "pairs"
    assert detect_annotated(write_pubmedqa(tmp_path / "pubmedqa")) == "pubmedqa"
    table = write_loose(tmp_path / "one", {"mine.csv": f"{HEAD}a,b,c\n"}) / "mine.csv"
    assert detect_annotated(table) is None
    assert detect_annotated(write_loose(tmp_path / "named", {"train.csv": f"{HEAD}a,b,c\n"}) / "train.csv") == "pairs"
    notes = write_loose(tmp_path / "notes", {"train.csv": "text,label,subject_id\na,b,1\n"})
    assert detect_annotated(notes) is None
    assert PairTables(folder=table).load().pairs.height == 1


def test_pubmedqa_reads_question_and_abstract_and_counts_what_has_none(tmp_path: Path) -> None:
    records = PubMedQa(folder=write_pubmedqa(tmp_path)).load()
    row = records.pairs.row(by_predicate=pl.col("pair_id") == "101", named=True)
    assert (row["premise"], row["hypothesis"], row["label"]) == ("Does case 1 rest?", "It is no.\nCase 1.", "no")
    assert records.pairs.height == 60
    assert set(records.pairs["split"]) == {"train", "test"}
    with pytest.raises(SchemaError, match="one JSON object of questions"):
        PubMedQa(folder=write_loose(tmp_path / "odd", {"ori_pqal.json": "[1]"})).load()


def test_drawn_test_and_validation_splits_of_numbered_texts_both_have_their_share(tmp_path: Path) -> None:
    pairs = PubMedQa(folder=write_pubmedqa(tmp_path, 600)).load().pairs
    assert 0.16 < _share(pairs, "test") < 0.24
    parted = _with_validation(DevSplit(), pairs)
    assert 0.05 < _share(parted, "validation") < 0.12
    assert _share(parted, "test") == _share(pairs, "test")


def test_open_pairs_are_read_whole() -> None:
    rqe = open_data("rqe-amia2016")
    assert detect_annotated(rqe) == "pairs"
    records = PairTables(folder=rqe).load()
    pairs, lacking = records.pairs, [finding for finding in records.findings.all() if finding.left_out]
    assert [(finding.reason, finding.count, finding.ids) for finding in lacking] == [(NO_TEXT, 1, ("5860",))]
    assert dict(pairs.group_by("label").len().rows()) == {"true": 4654, "false": 3933}
    assert pairs.group_by("group").agg(pl.col("split").n_unique())["split"].max() == 1
    assert (pairs["premise"] == pairs["hypothesis"]).sum() == 1445


def test_open_pubmedqa_is_read_whole() -> None:
    folder = open_data("pubmedqa")
    assert detect_annotated(folder) == "pubmedqa"
    pairs = PubMedQa(folder=folder).load().pairs
    assert dict(pairs.group_by("label").len().rows()) == {"yes": 276, "no": 169, "maybe": 55}
