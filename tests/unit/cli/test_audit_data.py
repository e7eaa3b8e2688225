"""`audit-data`: planted leaks are found with exact counts, a clean hospital passes, and nobody's words come out."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from chartune.made_up import make_hospital
from chartune.models.backbone import LocalBackbone
from chartune.store import Artefact, Store, write_json
from chartune.testing.command_line import Completed, chartune
from chartune.testing.past_data import CODES, dataset
from chartune.testing.signing import rewrite

Frames = dict[str, pl.DataFrame]
SECRET = "zebrafinch"
"""Stands in every planted text."""
FIRST = {"train": 71_000, "validation": 72_000, "test": 73_000}
"""Where the numbers of patients of a split begin."""


def story(number: int, source: str = "") -> str:
    """Sixty words that no other number has."""
    return f"{SECRET} " + " ".join(f"{source}n{number}w{word}" for word in range(60))


def frames() -> Frames:
    """Sixty patients of three splits, one text each; half of them died, everybody bears the first code."""
    ids = [FIRST[split] + n for split, count in (("train", 30), ("validation", 10), ("test", 20)) for n in range(count)]
    splits = ["train"] * 30 + ["validation"] * 10 + ["test"] * 20
    examples = pl.DataFrame({
        "subject_id": ids, "hadm_id": [n + 100_000 for n in ids], "split": splits, "text": [story(n) for n in ids],
        "label": [n % 2 for n in ids],
    })  # fmt: skip
    coded = examples.with_columns(label=pl.lit([0], dtype=pl.List(pl.Int32)))
    documents = examples.with_columns(
        note_id=pl.col("hadm_id").cast(pl.String), text=pl.Series([story(n, "corpus") for n in ids])
    )
    return {
        "mortality": examples, "diagnoses_icd9": coded, "corpus": documents.drop("label"),
        "splits": examples.select("subject_id", "split"),
    }  # fmt: skip


def worded(frame: pl.DataFrame, split: str, texts: list[str]) -> pl.DataFrame:
    """The frame with the first texts of a split replaced."""
    mine = pl.col("split") == split
    replaced = frame.filter(mine).with_columns(
        text=pl.Series(texts + frame.filter(mine)["text"].to_list()[len(texts) :])
    )
    return pl.concat([frame.filter(~mine), replaced])


def published(store: Store, frames: Frames, kind: str = "made-up", name: str = "0123456789abcdef") -> Artefact:
    folder = store.partial("data", name)
    for title, frame in frames.items():
        frame.write_parquet(folder / f"{title}.parquet")
    write_json(folder / "dataset.json", dataset(kind, 10, 20))
    return store.publish("data", name, {"sensitivity": "restricted"})


def audited(store: Store, *more: object) -> dict[str, Any]:
    said = chartune("audit-data", "--json", "--store", store.root, *more)
    assert said.code in (0, 3), said.err
    return {**json.loads(said.out), "code": said.code, "err": said.err}


def standings(found: dict[str, Any]) -> dict[str, set[str]]:
    """Law → how it stands."""
    laws: dict[str, set[str]] = {}
    for verdict in found["verdicts"]:
        laws.setdefault(verdict["law"], set()).add(verdict["standing"])
    return laws


def counted(found: dict[str, Any], learnt: str, asked: str, split: str) -> tuple[int, int, int]:
    """Exact copies, contained texts, texts of which a part stands there."""
    (row,) = (r for r in found["copies"] if (r["learnt"], r["asked"], r["split"]) == (learnt, asked, split))
    return row["exact"]["count"], row["contained"]["count"], row["partly"]["count"]


def test_a_clean_hospital_passes_the_hard_laws(tmp_path: Path, store: Store) -> None:
    make_hospital(tmp_path / "raw", subjects=80, seed=0, events=False)
    assert chartune("prepare", tmp_path / "raw", "--store", store.root).code == 0
    found = audited(store)
    assert found["code"] == 0
    laws = standings(found)
    assert laws["who is asked about is learnt from nowhere"] == {"pass"}
    assert laws["no held-out text is learnt from"] == {"pass"}
    assert all("fail" not in how for how in laws.values())
    assert len(found["examples"]) == len(json.loads(next(store.root.glob("data/*/dataset.json")).read_text())["tasks"])


def test_clean_frames_break_no_law_but_that_of_time(store: Store) -> None:
    published(store, frames())
    found = audited(store)
    assert found["code"] == 0
    assert {law for law, how in standings(found).items() if how != {"pass"}} == {
        "nothing that is read was written after the prediction"
    }
    assert counted(found, "corpus", "mortality", "test") == (0, 0, 0)


def test_a_patient_of_two_splits_fails_the_audit_with_exit_3(store: Store) -> None:
    planted = frames()
    mortality = planted["mortality"]
    planted["mortality"] = mortality.with_columns(
        subject_id=pl.when(pl.col("subject_id") < FIRST["train"] + 3)
        .then(pl.col("subject_id") + FIRST["test"] - FIRST["train"])
        .otherwise("subject_id")
    )
    published(store, planted)
    found = audited(store)
    assert found["code"] == 3
    assert "LeakageError: who is asked about is learnt from nowhere, but 3 of 57 (5.3 %) in two splits" in found["err"]
    laws = {row["law"]: row["both"]["count"] for row in found["patients"] if row["both"]["count"]}
    assert laws == {
        "in two splits of mortality": 3, "held out in diagnoses_icd9, learnt from in another task": 3,
    }  # fmt: skip


def test_test_patients_in_the_corpus_fail(store: Store) -> None:
    planted = frames()
    documents = planted["corpus"]
    planted["corpus"] = documents.with_columns(
        split=pl.when(pl.col("subject_id") == FIRST["test"]).then(pl.lit("train")).otherwise("split")
    )
    published(store, planted)
    found = audited(store)
    assert found["code"] == 3
    laws = {row["law"]: row["both"]["count"] for row in found["patients"] if row["both"]["count"]}
    assert set(laws) == {
        "held out in mortality, in the training split of the corpus",
        "held out in diagnoses_icd9, in the training split of the corpus",
    }


def test_copies_of_every_kind_are_counted_where_they_stand(store: Store) -> None:
    planted, test = frames(), FIRST["test"]
    near = story(test + 1).replace("w20", "other")
    quoting = " ".join([story(90_001), *story(test + 2).split()[1:], story(90_002), story(90_003)])
    part = " ".join([*story(90_020).split(), *story(test + 4).split()[10:30]])
    planted["mortality"] = worded(planted["mortality"], "train", [story(test).upper() + " !", near, quoting, part])
    long = " ".join([story(90_004), *story(test + 3).split()[1:], *(story(n) for n in range(90_005, 90_010))])
    planted["corpus"] = worded(planted["corpus"], "train", [long])
    published(store, planted)
    found = audited(store)
    assert found["code"] == 3
    assert "exact copies of training texts of mortality" in found["err"]
    assert counted(found, "mortality", "mortality", "test") == (1, 3, 1)
    assert counted(found, "mortality", "mortality", "validation") == (0, 0, 0)
    assert counted(found, "diagnoses_icd9", "diagnoses_icd9", "test") == (0, 0, 0)
    assert counted(found, "corpus", "mortality", "test") == (0, 1, 0)
    assert standings(found)["no held-out text stands in a text that is learnt from"] == {"fail"}
    assert standings(found)["no part of a held-out text stands in a text that is learnt from"] == {"look"}
    assert "of 3 of 20 (15.0 %) test texts of mortality in training texts of mortality" in found["err"]
    assert "leave such training texts out (`near_copies`)" in found["err"]


def test_a_corpus_that_quotes_most_test_notes_within_other_words_fails_though_it_holds_no_copy(store: Store) -> None:
    """Sections in another order, and the course of the stay between them, as a summary holds an admission note."""
    planted = frames()
    test = planted["mortality"].filter(pl.col("split") == "test")["text"].to_list()
    halves = [(one.split()[:30], one.split()[30:]) for one in test[:18]]
    summaries = [" ".join([*second, story(90_000 + n), *first]) for n, (first, second) in enumerate(halves)]
    planted["corpus"] = worded(planted["corpus"], "train", summaries)
    published(store, planted)
    found = audited(store)
    assert found["code"] == 3
    assert standings(found)["no held-out text is learnt from"] == {"pass"}
    assert "of 18 of 20 (90.0 %) test texts of mortality" in found["err"]
    people = chartune("audit-data", "--store", store.root).out
    assert "mortality test in corpus: contained 18 of 20 (90.0 %), in part 0 of 20 (0.0 %), exact 0 of 20" in people
    assert "not seen: paraphrase, other languages, tables in another order" in people


def test_a_validation_text_that_is_learnt_from_fails_too(store: Store) -> None:
    planted = frames()
    planted["mortality"] = worded(planted["mortality"], "train", [story(FIRST["validation"])])
    published(store, planted)
    found = audited(store)
    assert found["code"] == 3
    assert standings(found)["no held-out text is learnt from"] == {"fail"}


def test_phrases_codes_and_later_sections_are_told_with_their_task(store: Store) -> None:
    planted = frames()
    mortality = planted["mortality"]
    telling = [story(n) + (" made CMO" if n % 2 else "") for n in range(FIRST["train"], FIRST["train"] + 30)]
    planted["mortality"] = worded(mortality, "train", telling)
    named = [story(n) + f" hx {CODES[0]}.1" for n in range(20)]
    late = [story(n) + " Discharge Diagnosis: something" for n in range(5)]
    planted["diagnoses_icd9"] = worded(worded(planted["diagnoses_icd9"], "test", named), "validation", late)
    published(store, planted)
    found = audited(store)
    (wording,) = found["examples"][0]["wordings"]
    assert (wording["wording"], wording["present"]["count"], wording["absent"]["count"]) == ("comfort care", 15, 0)
    codes = {row["split"]: (row["own"]["count"], row["own"]["of"]) for row in found["examples"][1]["codes"]}
    assert codes == {"train": (0, 30), "validation": (0, 10), "test": (20, 20)}
    (later,) = found["examples"][1]["later"]
    assert (later["split"], later["section"], later["texts"]["count"]) == ("validation", "discharge", 5)
    details = {verdict["law"]: verdict["detail"] for verdict in found["verdicts"] if verdict["standing"] != "pass"}
    assert "mortality: 'comfort care' of 'died', train 15 of 15" in details["no phrase reveals an outcome"]
    assert details["no text holds a section written after the outcome"].startswith(
        "diagnoses_icd9: discharge, validation 5"
    )
    # Everybody bears the same code, so that naming it tells nobody apart: the share by chance is as high.
    assert standings(found)["no text names the codes that it is labelled with"] == {"pass"}


def test_small_counts_of_real_patients_are_hidden_wherever_they_are_told(store: Store) -> None:
    planted = frames()
    planted["mortality"] = worded(planted["mortality"], "train", [story(FIRST["test"] + n) for n in range(7)])
    artefact = published(store, planted, kind="mimic3")
    found = audited(store)
    (row,) = (r for r in found["copies"] if (r["learnt"], r["split"]) == ("mortality", "test"))
    assert row["exact"] == {"count": "<10", "of": 20, "share": None, "rounded": True}
    people = chartune("audit-data", artefact.fingerprint[:4], "--store", store.root)
    for text in (people.out, people.err, found["err"]):
        assert "<10 " in text
        assert " 7 of " not in text


def test_an_audit_with_exact_counts_is_not_what_is_found_without_them(store: Store) -> None:
    published(store, frames(), kind="mimic3")
    exact, shown = (json.loads(chartune("audit-data", "--store", store.root, "--json", *more).out)
                    for more in (("--exact-counts",), ()))  # fmt: skip
    assert (exact["do_not_release"], shown["do_not_release"]) == (True, False)
    assert exact["audit"] != shown["audit"]
    assert all(row["both"]["rounded"] for row in shown["patients"])


@pytest.fixture
def leaky(store: Store) -> Callable[[], tuple[Frames, list[Completed]]]:
    def audited() -> tuple[Frames, list[Completed]]:
        planted = frames()
        planted["mortality"] = worded(planted["mortality"], "train", [story(FIRST["test"])])
        published(store, planted, kind="mimic3")
        return planted, [chartune("audit-data", "--store", store.root, *more) for more in ((), ("--json",))]

    return audited


def test_no_word_and_no_number_of_a_patient_is_told(
    store: Store, leaky: Callable[[], tuple[Frames, list[Completed]]]
) -> None:
    planted, said = leaky()
    (kept,) = store.root.glob("audits/*/audit.json")
    output = " ".join([kept.read_text(), *(one.out + one.err for one in said)])
    assert SECRET not in output
    numbers = {str(n) for frame in planted.values() for n in frame["subject_id"]}
    assert not any(number in output for number in numbers)


def test_asking_again_finds_the_audit(store: Store) -> None:
    published(store, frames())
    first = audited(store)
    (kept,) = store.root.glob("audits/*/audit.json")
    before = kept.stat().st_mtime_ns
    assert audited(store) == first
    assert kept.stat().st_mtime_ns == before
    audited(store, "--set", "look=0.2")
    assert len(list(store.root.glob("audits/*"))) == 2


def test_tokens_are_counted_with_the_base_that_is_asked_for(store: Store, llama: LocalBackbone) -> None:
    published(store, frames())
    found = audited(store, "--base", llama.folder, "--base", "emilyalsentzer/Bio_ClinicalBERT")
    here, away = found["bases"]
    assert (here["name"], here["tokens"], here["exposure"]["saw"]) == (llama.folder.name, "measured", "not known")
    assert (away["contaminated"], away["exposure"]["saw"]) == (False, "mimic notes")  # a made-up hospital is nobody's
    assert away["tokens"].startswith("not measured")
    units = {row["unit"] for row in found["examples"][0]["lengths"]}
    assert units == {"words", llama.folder.name}
    (row,) = (r for r in found["examples"][0]["lengths"] if (r["split"], r["unit"]) == ("test", llama.folder.name))
    assert row["mean"] > 61  # a token per word, or more
    assert [cut["tokens"] for cut in row["cut"]] == [128, 512, 1024, 2048]
    assert row["cut"][0]["texts"]["count"] == (20 if row["longest"] > 128 else 0)


def test_a_base_that_has_read_mimic_is_told_for_mimic(store: Store) -> None:
    published(store, frames(), kind="mimic3")
    found = audited(store, "--base", "emilyalsentzer/Bio_ClinicalBERT")
    (detail,) = (v["detail"] for v in found["verdicts"] if v["law"].startswith("no base model"))
    assert "Bio_ClinicalBERT was pretrained on all MIMIC-III notes" in detail
    assert "contaminated" in detail


def test_the_corpus_of_other_data_can_be_looked_in(store: Store) -> None:
    published(store, frames())
    other = {name: frame.with_columns(pl.col("subject_id") + 500_000) for name, frame in frames().items()}
    masked = story(FIRST["test"]).replace(SECRET, f"{SECRET} ___")
    other["corpus"] = worded(other["corpus"], "train", [f"{story(1, 'x')} {masked} {story(2, 'x')}"])
    published(store, other, name="fedcba9876543210")
    found = audited(store, "0123", "--corpus", "fedc")
    assert counted(found, "corpus of fedcba9876543210", "mortality", "test") == (0, 1, 0)
    assert audited(store, "0123")["audit"] != found["audit"]


def test_a_damaged_audit_is_refused_by_name(store: Store) -> None:
    published(store, frames())
    audited(store)
    (kept,) = store.root.glob("audits/*/audit.json")
    kept.write_text("{}")
    said = chartune("audit-data", "--store", store.root)
    assert said.code == 7
    assert str(kept.parent) in said.err


@pytest.mark.parametrize(
    ("words", "code", "expected"),
    [
        (["feed"], 2, "fits none"), (["--base", "no/such-model"], 2, "local cache"),
        (["--set", "containment=0"], 2, "containment"), (["--corpus", "feed"], 2, "fits none"),
    ],
)  # fmt: skip
def test_what_cannot_be_asked_is_refused(store: Store, words: list[str], code: int, expected: str) -> None:
    published(store, frames())
    said = chartune("audit-data", *words, "--store", store.root)
    assert said.code == code
    assert expected in said.err


def test_a_prospective_text_of_a_later_time_fails(store: Store) -> None:
    planted = frames()
    when = pl.datetime(2100, 1, 1, 12)
    late = (
        pl.when(pl.col("subject_id") < FIRST["train"] + 2).then(pl.duration(hours=1)).otherwise(pl.duration(hours=-1))
    )
    planted["mortality"] = planted["mortality"].with_columns(prediction_time=when, storetime=when + late)
    artefact = published(store, planted)
    data = json.loads((artefact.path / "dataset.json").read_text())
    data["tasks"]["mortality"]["kind"] = "prospective"
    rewrite(artefact.path / "dataset.json", data)
    found = audited(store)
    assert found["code"] == 3
    assert "mortality: 2 of 60 (3.3 %) examples have a text of a later time than their prediction" in found["err"]
