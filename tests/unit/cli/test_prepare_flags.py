"""Flags of `chartune prepare` go together: some tasks, and single fields set beside them."""

import gzip
import json
from pathlib import Path
from typing import get_args

from chartune.disclosure import shown
from chartune.sources.annotated.catalog import AnyAnnotated
from chartune.sources.kinds import SOURCES, CorpusKind
from chartune.testing.command_line import chartune
from chartune.testing.raw_tables import RawHospital


def test_chosen_tasks_and_single_fields_go_together(hospital: Path, tmp_path: Path) -> None:
    words = ["prepare", hospital, "--tasks", "mortality,length", "--set", "corpus=null", "--set", "splits.salt=other"]
    said = chartune(*words, "--set", "tasks.0.hospice=died", "--store", tmp_path, "--json")
    assert said.code == 0, said.err
    reply = json.loads(said.out)
    assert set(reply["tasks"]) == {"mortality_or_hospice", "length_of_stay"}
    assert (reply["corpus"], reply["splits"]["rule"]["salt"]) == (None, "other")


def test_a_task_that_nobody_knows_is_refused_with_those_that_are(hospital: Path, tmp_path: Path) -> None:
    said = chartune("prepare", hospital, "--tasks", "mortalty", "--store", tmp_path)
    assert said.code == 2
    output = " ".join(said.err.split())
    assert "must be one of mortality, length_of_stay, " in output
    assert "but got 'mortalty'. Did you mean mortality or mortality_90d?" in output


def test_a_beginning_takes_the_shortest_meaning(hospital: Path, tmp_path: Path) -> None:
    said = chartune("prepare", hospital, "--tasks", "mort", "--set", "corpus=null", "--store", tmp_path, "--json")
    assert list(json.loads(said.out)["tasks"]) == ["mortality"]


def test_what_is_left_out_for_want_of_a_chart_is_told_once_and_only_to_who_chose_nothing(
    hospital: Path, tmp_path: Path
) -> None:
    said = chartune("prepare", hospital, "--store", tmp_path)
    assert said.code == 0, said.err
    expected = (
        f"warning: prolonged_ventilation was left out, because {hospital} lacks CHARTEVENTS.csv.gz (or .csv); add it "
        f"and prepare again.\n"
    )
    assert said.out.count(expected) == 1
    chosen = chartune("prepare", hospital, "--tasks", "mortality,length", "--set", "corpus=null", "--store", tmp_path)
    assert "left out, because" not in chosen.out


def small(folder: Path, patients: int) -> Path:
    raw = RawHospital()
    for subject_id in range(1, patients + 1):
        raw.stay(subject_id, died=int(subject_id % 3 == 0))
    return raw.write(folder)


def test_splits_that_are_too_thin_to_score_are_told_and_their_small_counts_hidden(tmp_path: Path) -> None:
    folder, store = small(tmp_path / "raw", 20), tmp_path / "store"
    words = ["prepare", folder, "--tasks", "mortality,length,diagnoses", "--set", "corpus=null", "--store", store]
    said = chartune(*words)
    assert said.code == 0, said.err
    counts = json.loads(chartune(*words, "--exact-counts", "--json").out)["tasks"]["mortality"]["counts"]
    train, test = counts["train"], counts["test"]
    assert 0 < test["admissions"] < 10
    lines = said.out.splitlines()
    (line,) = [line for line in lines if line.startswith("warning: mortality: ")]
    assert test["positives"] > 0
    assert "test has <10 examples, <10 of them with the outcome" in line
    assert f"train has {shown(train['admissions'], exact=False)} examples, " in line
    assert "calibration" not in line
    assert lines[-1].startswith(
        "warning: fewer than 10 are too few to learn from or to score: prepare more patients, or "
    )
    assert json.loads(chartune(*words, "--json").out)["warnings"][-1] in lines[-1]


def test_every_kind_of_raw_data_is_named_where_it_is_asked_for_and_where_it_is_mistyped(tmp_path: Path) -> None:
    corpora = {corpus.model_fields["kind"].default for corpus in get_args(get_args(AnyAnnotated)[0])}
    assert corpora == {*get_args(CorpusKind)}
    kinds = corpora | {*SOURCES}
    assert len(kinds) == 12
    for said in (chartune("prepare", "--help").out, chartune("prepare", tmp_path, "--source", "bogus").err):
        plain = "".join(said.replace("│", "").split())
        assert [kind for kind in sorted(kinds) if kind not in plain] == []
    assert chartune("prepare", tmp_path, "--source", "bogus").code == 2


def test_a_source_with_codes_of_one_version_shows_no_empty_flows_of_the_other(tmp_path: Path) -> None:
    raw = RawHospital()
    for subject_id in range(1, 41):
        raw.stay(subject_id, died=int(subject_id % 3 == 0))
    folder = raw.write_mimic4(tmp_path / "raw")
    for table, code in (("diagnoses_icd", "I10"), ("procedures_icd", "0BH17EZ")):
        rows = [f"{row[0]},{row[1]},1,{code},10\n" for row in _stays(folder)]
        text = "subject_id,hadm_id,seq_num,icd_code,icd_version\n" + "".join(rows)
        (folder / "hosp" / f"{table}.csv.gz").write_bytes(gzip.compress(text.encode()))
    output = chartune("prepare", folder, "--store", tmp_path / "store").out
    for noun in ("Diagnoses", "Procedures"):
        assert f"{noun.lower()}_icd9: {noun} (ICD-9): nobody is left by the filter `coded in ICD-9`\n" in output
        assert f"{noun.lower()}_icd10: {noun} (ICD-10)\n" in output
    assert output.count("coded in ICD-9: ") == 0
    warned = [line for line in output.splitlines() if line.startswith("warning: ")]
    assert not [line for line in warned if "icd9" in line]
    strict = ("prepare", folder, "--store", tmp_path / "store", "--strict", "--set", "corpus=null", "--tasks")
    assert "icd9" not in chartune(*strict, "diagnoses").err
    named = chartune(*strict, "diagnoses_icd9")
    assert (named.code, "diagnoses_icd9: nobody is left" in " ".join(named.err.split())) == (3, True)


def _stays(folder: Path) -> list[list[str]]:
    lines = gzip.decompress((folder / "hosp" / "admissions.csv.gz").read_bytes()).decode().splitlines()
    names = lines[0].replace('"', "").split(",")
    at = [names.index("subject_id"), names.index("hadm_id")]
    return [[line.replace('"', "").split(",")[n] for n in at] for line in lines[1:]]


def test_a_preset_and_null_marks_are_flags_wherever_data_are_prepared(tmp_path: Path) -> None:
    folder, store = small(tmp_path / "raw", 60), ("--store", tmp_path / "store")
    said = chartune("finetune", folder, "--method", "tfidf", "--preset", "paper-code", *store, "--json")
    assert said.code == 0, said.err
    assert json.loads(chartune("datasets", *store, "--json").out)["datasets"][0]["config"]["preset"] == "paper-code"
    for verb in (("pretrain",), ("plan", "pretrain"), ("plan", "finetune"), ("finetune",)):
        refused = chartune(*verb, folder, "--preset", "paper", *store)
        assert (refused.code, "is not one of 'sound', 'paper-text'" in " ".join(refused.err.split())) == (2, True)
        refused = chartune(*verb, folder, "--null-marks", "NA", *store)
        assert (refused.code, "--null-marks" in refused.err) == (2, True)


def test_null_marks_are_said_with_a_flag(tmp_path: Path) -> None:
    rows = "".join(f"seen {n},{n},{('yes', 'no', 'NA')[n % 3]}\n" for n in range(120))
    (tmp_path / "n.csv").write_text("text,subject_id,label\n" + rows)
    words = ("finetune", tmp_path / "n.csv", "--method", "tfidf", "--store", tmp_path / "store", "--json")
    refused = chartune(*words)
    assert (refused.code, "(label: 40 cells (NA))" in " ".join(refused.err.split())) == (3, True)
    for marks, answer in (("NA", "binary"), ("", "multiclass")):
        said = chartune("prepare", *words[1:2], "--null-marks", marks, *words[-3:])
        assert json.loads(said.out)["tasks"]["labels"]["answer"] == answer, said.err
