"""Warnings: each has its words, and with `strict` each refuses, before the work that it spares."""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from chartune.errors import ConfigError, DataError, SchemaError
from chartune.sources import releases
from chartune.sources.mimic3 import Mimic3
from chartune.sources.releases import Layout, Release
from chartune.sources.splits import ImportedSplit
from chartune.store import Store
from chartune.tasks.dataset import Part, StepEntry
from chartune.tasks.flow import notices
from chartune.tasks.prepare import Preparation, prepare
from chartune.tasks.soundness import emptied, raw_warnings, tables_read, who_left
from chartune.testing.command_line import chartune
from chartune.testing.plain import plain_dataset, typed
from chartune.testing.raw_tables import CHARTEVENTS, ICUSTAYS, SUMMARY, RawHospital, write_table

Asked = Callable[..., Preparation]


@pytest.fixture
def asked(tmp_path: Path) -> Asked:
    """Whether patients died, without a corpus; subjects 1 to 9 train, 11 validates, 21 is tested."""
    lists = tmp_path / "lists"
    lists.mkdir()
    for name, ids in {"train": (1, 2), "validation": (11,), "test": (21,)}.items():
        (lists / f"{name}.csv").write_text("subject_id\n" + "".join(f"{n}\n" for n in ids))

    def ask(folder: Path, **more: Any) -> Preparation:
        data: dict[str, Any] = {
            "source": {"kind": "mimic3", "folder": folder}, "tasks": [{"kind": "mortality"}], "corpus": None,
            "splits": ImportedSplit(folder=lists),
        }  # fmt: skip
        return Preparation.parse(data | more)

    return ask


def sound() -> RawHospital:
    """Four stays without anything odd."""
    raw = RawHospital()
    for subject_id in (1, 2, 11, 21):
        raw.stay(subject_id)
    return raw


def kept(store: Store) -> list[str]:
    """What stands on the shelves of the store."""
    return [file.name for file in store.root.rglob("*") if file.is_file() and file.parent != store.root]


def test_sound_data_pass_and_are_the_same_data(tmp_path: Path, asked: Asked, store: Store) -> None:
    folder = sound().write(tmp_path / "raw")
    strict = prepare(asked(folder, strict=True), store)
    assert prepare(asked(folder), store) == strict
    assert plain_dataset(strict)["source"]["warnings"] == []


def test_who_leaves_because_the_split_asks_for_it_is_told_and_not_refused(
    tmp_path: Path, asked: Asked, store: Store
) -> None:
    raw = sound()
    raw.stay(22)
    raw.stay(33)
    folder = raw.write(tmp_path / "raw")
    (tmp_path / "lists" / "test.csv").write_text("subject_id\n21\n22\n")
    stays = [(n, n, 1000 + n, 5000 + n, systems, "MICU", "2100-07-01 12:00:00", "2100-07-03 12:00:00")
             for n, systems in ((21, "carevue"), (22, "metavision"))]  # fmt: skip
    write_table(folder / "ICUSTAYS.csv.gz", ICUSTAYS, list(stays))
    made = plain_dataset(prepare(asked(folder, stratum="carevue", strict=True), store))["source"]
    assert (made["warnings"], len(made["notices"])) == ([], 5)
    unlisted, stratum, *_reached = made["notices"]
    assert unlisted == "splits: 1 of 6 patients of the source stand in no list and are left out."
    notice = "splits: {} of {} test patients have an ICU stay that was not charted in CareVue and are left out, and 0"
    assert stratum.startswith(notice.format(1, 2))
    assert notices(typed({"source": made}).source)[1].startswith(notice.format("<10", "<10"))


def test_what_the_small_tables_tell_is_refused_before_the_chart_and_the_notes_are_read(
    tmp_path: Path, asked: Asked, store: Store
) -> None:
    raw = sound()
    raw.admission(999, 1999)
    folder = raw.write(tmp_path / "raw")
    for table, columns in (("CHARTEVENTS", CHARTEVENTS), ("ICUSTAYS", ICUSTAYS)):
        write_table(folder / f"{table}.csv.gz", columns, [])
    (folder / "CHARTEVENTS.csv.gz").write_bytes((folder / "CHARTEVENTS.csv.gz").read_bytes()[:-12])
    (folder / "NOTEEVENTS.csv.gz").write_bytes((folder / "NOTEEVENTS.csv.gz").read_bytes()[:-12])
    tasks = [{"kind": "prolonged-ventilation"}]
    with pytest.raises(DataError, match="this does: ADMISSIONS: 1 admissions of subjects that the table of patients"):
        prepare(asked(folder, tasks=tasks, strict=True), store)
    assert kept(store) == []
    with pytest.raises(SchemaError, match="damaged or cut off"):
        prepare(asked(folder, tasks=tasks), store)


def test_bytes_that_are_no_utf8_are_refused_with_their_row_and_nothing_is_kept(
    tmp_path: Path, asked: Asked, store: Store
) -> None:
    folder = sound().write(tmp_path / "raw")
    (folder / "NOTEEVENTS.csv.gz").unlink()
    rows = [(n, s, 1000 + s, "2100-07-05", None, None, "Discharge summary", "Report", None, None, SUMMARY.format(s))
            for n, s in enumerate((1, 2, 11, 21), 1)]  # fmt: skip
    columns = ("ROW_ID", "SUBJECT_ID", "HADM_ID", "CHARTDATE", "CHARTTIME", "STORETIME", "CATEGORY", "DESCRIPTION",
               "CGID", "ISERROR", "TEXT")  # fmt: skip
    write_table(folder / "noteevents.csv", columns, list(rows))
    raw = (folder / "noteevents.csv").read_bytes().replace(b"Fever 11", b"Fever \xe911")
    (folder / "noteevents.csv").write_bytes(raw)
    warning = "NOTEEVENTS: 1 cells hold bytes that are not UTF-8, first in data row 3; these became U+FFFD."
    with pytest.raises(DataError, match=re.escape(warning)):
        prepare(asked(folder, strict=True), store)
    assert kept(store) == []
    loose = prepare(asked(folder), store)
    assert plain_dataset(loose)["source"]["warnings"] == [warning]
    with pytest.raises(DataError, match="first in data row 3"):  # found, and refused all the same
        prepare(asked(folder, strict=True), store)
    assert store.find("data", loose.fingerprint) == loose


@pytest.mark.parametrize(("rows", "said"), [(3, True), (4, False), (5, False), (6, True)])
def test_other_rows_than_the_release_has_are_told_on_both_sides(tmp_path: Path, rows: int, said: bool) -> None:
    raw = RawHospital()
    for subject_id in range(1, rows + 1):
        raw.stay(subject_id)
    records = Mimic3(folder=raw.write(tmp_path)).load()
    released = replace(records, expected_rows={"ADMISSIONS": (4, 5), "NOTEEVENTS": (0,)})
    expected = [f"ADMISSIONS: {records.about.version} has 4 or 5 rows, this file {rows}."] if said else []
    assert "NOTEEVENTS" not in tables_read(released)  # nobody has read it yet
    assert raw_warnings(released, tables_read(released)) == expected


def test_a_release_with_a_row_missing_keeps_its_name_and_its_terms_and_is_not_sound(
    tmp_path: Path, asked: Asked, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = Release("MIMIC-V 0.1", "its terms", {"PATIENTS": 4, "ADMISSIONS": 4, "NOTEEVENTS": 5})
    layout = Layout("mimic3", "MIMIC-V", "0.1 layout", (whole,), ("PATIENTS", "ADMISSIONS"))
    monkeypatch.setattr(Mimic3, "layout", layout)
    monkeypatch.setattr(releases, "TELLING", 1)
    raw = sound()
    raw.admissions.pop()
    folder = raw.write(tmp_path / "raw")
    source = plain_dataset(prepare(asked(folder), store))["source"]
    assert (source["version"], source["licence"]) == ("MIMIC-V 0.1", "its terms")
    lacking = "ADMISSIONS: MIMIC-V 0.1 has 4 rows, this file 3."
    assert source["warnings"] == [lacking, "NOTEEVENTS: MIMIC-V 0.1 has 5 rows, this file 4."]
    other = Store(tmp_path / "other").open()
    with pytest.raises(DataError, match=f"this does: {lacking} Mend"):  # the notes have not been read
        prepare(asked(folder, strict=True), other)
    assert kept(other) == []


def test_a_task_and_a_corpus_without_anybody_are_told_with_the_filter_that_emptied_them(
    tmp_path: Path, asked: Asked, store: Store
) -> None:
    raw = sound()
    raw.notes = [(*row[:-1], "Allergies:\nnone\n\nPlan:\nrest") for row in raw.notes]
    folder = raw.write(tmp_path / "raw")
    mortality = (
        "mortality: nobody is left by the filter `states why the patient came` (neither chief complaint nor present "
        "illness nor medical history)."
    )
    corpus = {"categories": ["Echo"]}
    made = plain_dataset(prepare(asked(folder, corpus=corpus), store))
    filters = emptied(typed(made).parts())
    assert filters["mortality"] == mortality
    assert filters["corpus"].startswith("corpus: nobody is left by the filter `wanted category` (")
    assert made["source"]["warnings"] == [
        "notes: none is of the category Echo, which was asked for; there are Discharge summary."
    ]
    for words in ("finetune", "--method", "tfidf"), ("pretrain", "--base", "small-llama"):
        only = ("--set", "data.corpus.categories=[Echo]", "--store", tmp_path / "cli")
        lines = " ".join(chartune(words[0], folder, *words[1:], *only).err.split())
        if words[0] == "finetune":
            assert "but train has 0 admissions: nobody is left by the filter `states why the patient came` (" in lines
        else:
            assert "train has none of 0. Nobody is left by the filter `wanted category` (" in lines
    other = Store(tmp_path / "other").open()
    with pytest.raises(DataError, match=r"this does: mortality: nobody is left by the filter `states why"):
        prepare(asked(folder, strict=True), other)
    assert kept(other) == []
    said = chartune("prepare", folder, "--tasks", "mortality", "--store", tmp_path / "cli")
    assert (said.code, said.out.count(f"warning: {mortality}\n")) == (0, 1)
    said = chartune("prepare", folder, "--tasks", "mortality", "--strict", "--store", tmp_path / "cli")
    assert said.code == DataError.exit_code


def test_a_category_that_is_there_or_that_nobody_named_is_not_missed(
    tmp_path: Path, asked: Asked, store: Store
) -> None:
    raw = sound()
    raw.note(1, 1001, "slept", category="Nursing ")
    raw.note(1, 1001, "somebody's words", category="J. Doe, son of the patient")
    folder = raw.write(tmp_path / "raw")
    missed = "notes: none is of the category {}, which was asked for; there are Discharge summary, Nursing."
    for types, warnings in (
        (["Nursing"], []), (["Nursing", "Nursng", "Echo"], [missed.format("Echo or Nursng")]),
        (["Nursing", "Radiology"], [missed.format("Radiology")]),
    ):  # fmt: skip
        reads = {"kind": "bedside-notes", "types": types}
        made = prepare(asked(folder, tasks=[{"kind": "mortality", "reads": reads}]), store)
        assert plain_dataset(made)["source"]["warnings"] == warnings
    usual = prepare(asked(folder, tasks=[{"kind": "mortality", "reads": {"kind": "bedside-notes"}}]), store)
    assert plain_dataset(usual)["source"]["warnings"] == []


def test_what_mimic_iv_has_no_notes_of_is_told(tmp_path: Path, store: Store) -> None:
    source = {"kind": "mimic4", "folder": sound().write_mimic4(tmp_path / "raw")}
    asked = Preparation.parse({"source": source, "tasks": [{"kind": "mortality"}], "corpus": {"categories": ["ECG"]}})
    warnings = plain_dataset(prepare(asked, store))["source"]["warnings"]
    assert warnings == ["notes: none is of the category ECG, which was asked for; there are Discharge summary."]


def test_rows_of_other_tables_are_not_those_of_an_earlier_preparation_from_the_same_chart(
    tmp_path: Path, asked: Asked, store: Store
) -> None:
    raw = sound()
    for rows in (4, 5):
        folder = raw.write(tmp_path / "raw")
        for table, columns in (("CHARTEVENTS", CHARTEVENTS), ("ICUSTAYS", ICUSTAYS)):
            write_table(folder / f"{table}.csv.gz", columns, [])
        made = prepare(asked(folder, tasks=[{"kind": "prolonged-ventilation"}]), store)
        tables = plain_dataset(made)["source"]["tables"]
        assert (tables["PATIENTS"]["rows"], tables["ADMISSIONS"]["rows"], tables["CHARTEVENTS"]["rows"]) == (
            rows,
            rows,
            0,
        )
        raw.stay(999)


@pytest.mark.parametrize("kind", ["mimic4", "tabular"])
def test_only_mimic_iii_has_the_carevue_stratum(kind: str, tmp_path: Path) -> None:
    source = {"kind": kind, "file" if kind == "tabular" else "folder": tmp_path}
    with pytest.raises(ConfigError, match=f"only MIMIC-III has them, but the source is {kind}; leave `stratum` out"):
        Preparation.parse({"source": source, "stratum": "carevue"})


def test_a_table_whose_training_texts_are_all_copies_says_so(tmp_path: Path, store: Store) -> None:
    rows = "".join(f"the same text,{n},{'yes' if n % 2 else 'no'}\n" for n in range(60))
    (tmp_path / "n.csv").write_text(f"text,subject_id,label\n{rows}", encoding="utf-8")
    source = {"kind": "tabular", "file": tmp_path / "n.csv"}
    made = prepare(Preparation.parse({"source": source, "corpus": None}), store)
    (lines,) = emptied(typed(plain_dataset(made)).parts()).values()
    assert "(every training text repeats a held-out one, so that no label is learnt)" in lines


def test_a_table_of_which_nobody_is_learnt_from_does_not_say_that_copies_were(tmp_path: Path, store: Store) -> None:
    rows = "".join(f"text {n},{n},{'yes' if n % 2 else 'no'}\n" for n in range(20))
    (tmp_path / "n.csv").write_text(f"text,subject_id,label\n{rows}", encoding="utf-8")
    parts = "".join(f"{n},{'validation' if n % 4 else 'test'}\n" for n in range(20)) + "99,train\n"
    (tmp_path / "s.csv").write_text(f"subject_id,split\n{parts}", encoding="utf-8")
    source, splits = {"kind": "tabular", "file": tmp_path / "n.csv"}, {"kind": "imported", "folder": tmp_path / "s.csv"}
    made = prepare(Preparation.parse({"source": source, "splits": splits, "corpus": None}), store)
    (lines,) = emptied(typed(plain_dataset(made)).parts()).values()
    assert "(no training patient has its label)" in lines


def left(*rows: tuple[str, int | None, int | None, int]) -> Part:
    """A part by step, admissions, removed admissions and removed notes of each filter."""
    steps = [
        StepEntry(step=step, why="why", admissions=n, notes=9, removed_admissions=gone, removed_notes=notes)
        for step, n, gone, notes in rows
    ]
    return Part(title="t", attrition=tuple(steps))


@pytest.mark.parametrize(
    ("part", "sentence"),
    [
        (
            left(("all", 90, 0, 0), ("adults", 30, 60, 1), ("texts", 20, 10, 99)),
            "most are left out by the filter `adults` (why).",
        ),
        (
            left(("all", 90, 0, 0), ("adults", 9, 81, 1), ("texts", 0, 9, 1)),
            "nobody is left by the filter `texts` (why).",
        ),
        (left(("all", None, None, 0), ("typed", None, None, 7)), "most are left out by the filter `typed` (why)."),
        (left(("all", 90, 0, 0), ("adults", 90, 0, 0)), ""),
        (Part(title="t"), ""),
    ],
)
def test_of_too_few_the_filter_that_took_the_others_is_named(part: Part, sentence: str) -> None:
    assert who_left(part) == sentence
