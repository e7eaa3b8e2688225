"""What texts give away: phrases of the outcome, codes, later sections, lengths and times, in exact counts."""

from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from chartune.notes.sections import LATER
from chartune.tasks.labels import LabelSpace
from chartune.tasks.leakage.codes import asks_for_codes, codes, named
from chartune.tasks.leakage.examples import Examples, Prepared, look_at
from chartune.tasks.leakage.shares import Share, hidden, share
from chartune.tasks.leakage.verdicts import CODES as LAW_OF_CODES
from chartune.tasks.leakage.verdicts import PHRASES, TIMES, WORDING, verdicts
from chartune.tasks.leakage.wording import DEATH, OUTCOMES, headed, worded

BINARY = LabelSpace("binary", ("survived", "died"), ("survived", "died"))
CODES = LabelSpace("multilabel", ("428", "V458", "I50", "0DT"), ("", "", "", ""))
WHEN = datetime.fromisoformat("2100-01-01 12:00")


def looked(
    folder: Path, rows: dict[str, Any], space: LabelSpace = BINARY, kind: str = "retrospective-text"
) -> Examples:
    known = {"subject_id": list(range(len(rows["split"])))}
    pl.DataFrame(known | rows).write_parquet(folder / "some.parquet")
    return look_at(Prepared("some", kind, space, folder / "some.parquet"), (2, 4), {})


@pytest.mark.parametrize(
    ("text", "wording"),
    [
        ("The patient expired.", "expired"), ("d/c to Hospice", "hospice"), ("comfort measures only", "comfort care"),
        ("now CMO", "comfort care"), ("comfort\n care", "comfort care"), ("declared brain-dead", "brain death"),
        ("withdrawal of life support", "withdrawal of care"), ("family withdrew care", "withdrawal of care"),
        ("care was withdrawn", "withdrawal of care"), ("s/p trach", "tracheostomy"), ("tracheostomy", "tracheostomy"),
        ("trach and PEG", "feeding tube"), ("prolonged mechanical ventilation", "prolonged ventilation"),
        ("ventilator dependence", "prolonged ventilation"), ("failure to wean", "prolonged ventilation"),
        ("pt. passed away", DEATH), ("time of death 03:10", DEATH),
    ],
)  # fmt: skip
def test_a_phrase_is_recognised(text: str, wording: str) -> None:
    assert worded(pl.Series([text]))[wording].to_list() == [True]


@pytest.mark.parametrize(
    "text",
    ["father died of MI", "he is comfortable", "deep in the brain; dead skin removed", "trachea midline, hospitable",
     "she withdrew her hand", "a pegged tooth", "no ventilation defects", "the care plan"],
)  # fmt: skip
def test_words_that_only_look_alike_are_passed_over(text: str) -> None:
    frame = worded(pl.Series([text]))
    assert frame.columns == [DEATH, *OUTCOMES]
    assert not any(frame.row(0))


@pytest.mark.parametrize(
    ("text", "section"),
    [
        ("ALLERGIES: none Brief Hospital Course: he was intubated", "hospital course"),
        ("x\nBrief hospital course\nHe did well", "hospital course"), ("DISCHARGE MEDICATIONS: aspirin", "discharge"),
        ("Labs on Discharge: WBC 5", "discharge"), ("x\n  discharge condition \ny", "discharge"),
        ("Procedures performed: none", "procedures"), ("Followup Instructions: call us", "follow-up"),
        ("T 38 MICU Course: intubated", "hospital course"), ("T 38 Hospital Course - he died", "hospital course"),
        ("x\nICU course\ny", "hospital course"), ("aspirin Medications on transfer: heparin", "transfer"),
        ("T 38 Exam at time of death: no pulse", "time of death"),
    ],
)  # fmt: skip
def test_a_heading_of_a_later_section_is_recognised(text: str, section: str) -> None:
    frame = headed(pl.Series([text]))
    assert [name for name in frame.columns if frame[name].item()] == [section]


def test_prose_about_a_discharge_is_no_heading() -> None:
    text = (
        "Ear discharge for a week, since his discharge on Monday. No procedures were done, and no follow-up. Exam: ok"
    )
    frame = headed(pl.Series([text]))
    assert frame.columns == list(LATER)
    assert not any(frame.row(0))


def test_phrases_are_counted_by_split_and_outcome(tmp_path: Path) -> None:
    texts = ["to hospice", "hospice", "well", "hospice", "well", "well", "well", "well"]
    rows = {"split": ["train"] * 6 + ["test"] * 2, "label": [1, 1, 1, 0, 0, 0, 1, 0], "text": texts}
    found = looked(tmp_path, rows).wordings
    assert found is not None
    (row,) = found
    assert (row.split, row.wording, row.label) == ("train", "hospice", "died")
    assert (row.present, row.absent) == (share(2, 3), share(1, 3))
    assert row.ratio == pytest.approx(2.0)
    assert not row.telling  # of three texts nothing can be concluded


def test_a_phrase_gives_the_answer_away_when_enough_texts_say_so(tmp_path: Path) -> None:
    def found(died: int, survived: int) -> bool:
        texts = ["hospice"] * died + ["well"] * (40 - died) + ["hospice"] * survived + ["well"] * (40 - survived)
        rows = {"split": ["train"] * 80, "label": [1] * 40 + [0] * 40, "text": texts}
        wordings = looked(tmp_path, rows).wordings
        assert wordings is not None
        return wordings[0].telling

    assert found(20, 10)
    assert found(20, 0)
    assert not found(20, 15)
    assert not found(9, 1)


@pytest.mark.parametrize(
    ("died", "survived", "standing"), [(40, 0, "fail"), (32, 2, "fail"), (31, 0, "look"), (40, 3, "look")]
)
def test_a_phrase_that_is_the_answer_fails(died: int, survived: int, standing: str, tmp_path: Path) -> None:
    texts = ["hospice"] * died + ["well"] * (40 - died) + ["hospice"] * survived + ["well"] * (40 - survived)
    rows = {"split": ["train"] * 80, "label": [1] * 40 + [0] * 40, "text": texts}
    (row,) = [row for row in verdicts((), (), [looked(tmp_path, rows)], ()) if row.law == WORDING]
    assert (row.standing, row.detail.startswith("some: 'hospice' of 'died', train")) == (standing, True)


def test_what_was_not_measured_has_no_verdict(tmp_path: Path) -> None:
    rows = {"split": ["train"], "label": [[0]], "text": ["428.0"]}
    coded = {row.law for row in verdicts((), (), [looked(tmp_path, rows, CODES)], ())}
    asked = {row.law for row in verdicts((), (), [looked(tmp_path, rows | {"label": [0]})], ())}
    assert (coded - asked, asked - coded) == ({LAW_OF_CODES}, {WORDING, PHRASES})


@pytest.mark.parametrize(("stated", "standing"), [(True, "fail"), (False, "pass")])
def test_a_task_that_was_let_in_although_its_texts_tell_the_answer_fails(
    stated: bool, standing: str, tmp_path: Path
) -> None:
    rows = {"subject_id": [1], "split": ["train"], "label": [1], "text": ["he did well"]}
    pl.DataFrame(rows).write_parquet(tmp_path / "some.parquet")
    task = Prepared("some", "retrospective-text", BINARY, tmp_path / "some.parquet", answer_told=stated)
    (row,) = [row for row in verdicts((), (), [look_at(task, (2,), {})], ()) if row.law == WORDING]
    assert row.standing == standing


def test_a_small_count_that_is_hidden_does_not_hide_the_leak(tmp_path: Path) -> None:
    texts = ["hospice"] * 40 + ["hospice"] * 3 + ["well"] * 97
    shown = hidden(looked(tmp_path, {"split": ["train"] * 140, "label": [1] * 40 + [0] * 100, "text": texts}))
    (row,) = [row for row in verdicts((), (), [shown], ()) if row.law == WORDING]
    assert row.standing == "fail"
    assert row.detail.endswith("train 40+ of 40+ (100.0 %) far more often than of all others")
    labels = [0, 0, 0, 0, *([1, 0] * 18)]
    rows = {
        "split": ["train"] * 40,
        "label": [[one] for one in labels],
        "text": ["dx V45.8" if one else "dx 428.0" for one in labels],
    }
    coded = hidden(looked(tmp_path, rows, CODES)).codes
    assert coded is not None
    assert (coded[0].own.count, coded[0].by_chance.count, coded[0].telling) == (40, "<10", True)


def test_a_phrase_that_labels_were_made_of_is_told_and_fails_nothing(tmp_path: Path) -> None:
    rows = {"split": ["train"] * 80, "label": [1] * 40 + [0] * 40, "text": ["hospice"] * 40 + ["well"] * 40}
    (row,) = [row for row in verdicts((), (), [looked(tmp_path, rows, kind="as-given")], ()) if row.law == WORDING]
    assert row.standing == "look"


def test_of_several_answers_each_is_held_against_all_others(tmp_path: Path) -> None:
    texts = ["trach", "trach", "well", "trach", "well", "well"]
    rows = {"split": ["train"] * 6, "label": [2, 2, 2, 0, 0, 1], "text": texts}
    found = looked(tmp_path, rows, LabelSpace("multiclass", ("short", "left", "long"), ("", "", ""))).wordings
    assert found is not None
    assert [(row.label, row.present, row.absent) for row in found] == [
        ("short", share(1, 2), share(2, 4)), ("left", share(0, 1), share(3, 5)), ("long", share(2, 3), share(1, 3)),
    ]  # fmt: skip


def test_what_a_task_does_not_ask_is_not_measured(tmp_path: Path) -> None:
    rows = {"split": ["train"], "label": [0], "text": ["hospice"]}
    found = looked(tmp_path, rows, LabelSpace("multiclass", tuple("abcdefgh"), tuple("abcdefgh")))
    assert found.wordings is None
    assert found.codes is None


def test_labels_are_told_apart_from_codes() -> None:
    assert asks_for_codes(CODES)
    assert asks_for_codes(LabelSpace("multilabel", ("66", "E880", "Z99"), ("", "", "")))
    assert not asks_for_codes(BINARY)
    assert not asks_for_codes(LabelSpace("multiclass", ("428", "more than 14 days"), ("", "")))
    assert not asks_for_codes(LabelSpace("multilabel", (), ()))


@pytest.mark.parametrize(
    ("text", "label", "own"),
    [
        ("CHF (428.0)", [0], True), ("dx 4280.", [0], True), ("428.21", [0], True), ("bed 428", [0], False),
        ("CHF 428.0", [1], False), ("v45.81", [1], True), ("hx V4581", [1], True), ("I50.23", [2], True),
        ("I50", [2], True),
        ("0DT60ZZ", [3], True), ("on [**4280-1-1**]", [0], False), ("x428.0", [0], False), ("428.0", [], False),
        ("599.0 and 428.0", [1, 0], True), (None, [0], False),
    ],
)  # fmt: skip
def test_the_code_of_a_label_is_recognised(text: str | None, label: list[int], own: bool) -> None:
    block = pl.DataFrame({"split": ["test"], "text": [text], "label": [label]}, schema_overrides={"text": pl.String})
    marks = named(block.with_columns(pl.col("label").cast(pl.List(pl.Int32))), CODES)
    assert marks.row(0) == (bool(label), own, own)  # alone in its split, it is its own neighbour


def test_codes_are_held_against_chance() -> None:
    rows = {
        "split": ["test"] * 3 + ["train"],
        "text": ["428.0", "I50.1", "nothing", "428.9"],
        "label": [[0], [0], [2], []],
    }
    found = codes(
        pl.concat([pl.DataFrame({"split": rows["split"]}), named(pl.DataFrame(rows), CODES)], how="horizontal")
    )
    (row,) = found  # the train text bears no label
    assert row.own == share(1, 3)  # 428.0; I50.1 is none of its labels
    assert row.by_chance == share(2, 3)  # 428.0 of the second, I50.1 of the third


def test_single_labels_that_are_codes_are_recognised_too() -> None:
    block = pl.DataFrame({"split": ["test"], "text": ["seen for 428.0"], "label": [0]})
    assert named(block, CODES).row(0) == (True, True, True)


def test_later_sections_are_counted_by_split(tmp_path: Path) -> None:
    rows = {"split": ["train", "test", "test"], "label": [0, 0, 1], "text": ["ok", "Discharge diagnosis: MI", "ok"]}
    (row,) = looked(tmp_path, rows).later
    assert (row.split, row.section, row.texts) == ("test", "discharge", share(1, 2))


def test_words_and_tokens_are_counted_by_split_in_their_usual_order(tmp_path: Path) -> None:
    texts = ["a b", "a", "a b c", "a b c d e"]
    rows = {"subject_id": range(4), "split": ["test", "train", "train", "train"], "label": [0] * 4, "text": texts}
    pl.DataFrame(rows).write_parquet(tmp_path / "some.parquet")
    task = Prepared("some", "retrospective-text", BINARY, tmp_path / "some.parquet")
    found = look_at(task, (4, 2), {"tiny": lambda texts: [2 * len(text.split()) for text in texts]}).lengths
    assert [(row.split, row.unit) for row in found] == [
        ("train", "words"), ("test", "words"), ("train", "tiny"), ("test", "tiny"),
    ]  # fmt: skip
    assert (found[0].mean, found[0].median, found[0].longest, found[0].cut) == (3.0, 3.0, 5, ())
    assert [(cut.tokens, cut.texts) for cut in found[2].cut] == [(2, share(2, 3)), (4, share(2, 3))]
    assert found[3].cut[1].texts == share(0, 1)


def test_a_prospective_text_of_a_later_time_is_counted(tmp_path: Path) -> None:
    rows: dict[str, Any] = {"split": ["train"] * 3, "label": [0] * 3, "text": ["a"] * 3, "prediction_time": [WHEN] * 3}
    times = [WHEN.replace(hour=11), WHEN.replace(hour=13), None]
    found = looked(tmp_path, rows | {"storetime": times}, kind="prospective").times
    assert (found.columns, found.late, found.untimed) == (("storetime",), share(1, 2), share(1, 3))
    found = looked(tmp_path, rows, kind="prospective").times
    assert (found.columns, found.late, found.untimed) == ((), None, share(3, 3))


@pytest.mark.parametrize(
    ("kind", "times", "standing"),
    [
        ("prospective", [11, 12], "pass"), ("prospective", [11, 13], "fail"), ("prospective", [13, None], "fail"),
        ("prospective", [11, None], "look"), ("prospective", [None, None], "look"),
        ("retrospective-text", [None, None], "look"), ("as-given", [None, None], "look"),
    ],
)  # fmt: skip
def test_whether_a_text_was_there_in_time_is_decided_by_its_time_where_it_has_one(
    tmp_path: Path, kind: str, times: list[int | None], standing: str
) -> None:
    known = pl.Series([hour and WHEN.replace(hour=hour) for hour in times], dtype=pl.Datetime("us"))
    rows = {"split": ["train"] * 2, "label": [0] * 2, "text": ["a"] * 2, "prediction_time": [WHEN] * 2}
    found = looked(tmp_path, rows | {"text_time": known}, kind=kind)
    (verdict,) = (one for one in verdicts((), (), (found,), ()) if one.law == TIMES)
    assert verdict.standing == standing


def test_a_prospective_task_without_examples_breaks_no_law(tmp_path: Path) -> None:
    times = dict.fromkeys(("prediction_time", "text_time"), pl.Datetime("us"))
    empty = pl.DataFrame(
        schema={"subject_id": pl.Int64, "split": pl.String, "text": pl.String, "label": pl.Int64, **times}
    )
    empty.write_parquet(tmp_path / "some.parquet")
    found = look_at(Prepared("some", "prospective", BINARY, tmp_path / "some.parquet"), (2,), {})
    assert {one.standing for one in verdicts((), (), (found,), ())} == {"pass"}


def test_a_task_without_examples_gives_nothing_away(tmp_path: Path) -> None:
    empty = pl.DataFrame(schema={"split": pl.String, "text": pl.String, "label": pl.List(pl.Int32)})
    empty.write_parquet(tmp_path / "some.parquet")
    found = look_at(Prepared("some", "retrospective-text", CODES, tmp_path / "some.parquet"), (2,), {})
    assert (found.codes, found.later, found.lengths) == ((), (), ())


def test_a_mean_of_real_texts_does_not_tell_how_many_they_are(tmp_path: Path) -> None:
    texts = ["a"] * 16 + ["a b"] * 15 + ["a b c d e f"]
    rows = {"split": ["test"] * 32, "label": [0] * 32, "text": texts}
    (exact,) = looked(tmp_path, rows).lengths
    (shown,) = hidden((exact,))
    assert (exact.mean, exact.median) == (52 / 32, 1.5)
    assert (shown.texts, shown.mean, shown.median, shown.longest) == (30, 2.0, 2.0, 6)


def test_small_counts_of_real_patients_are_hidden_with_what_would_tell_them(tmp_path: Path) -> None:
    texts = ["hospice"] * 12 + ["well"] * 20 + ["hospice"] * 3 + ["well"] * 30
    rows = {"split": ["train"] * 65, "label": [1] * 32 + [0] * 33, "text": texts}
    shown = hidden(looked(tmp_path, rows))
    assert shown.wordings is not None
    row = shown.wordings[0]
    assert (row.present, row.absent, row.ratio) == (
        Share(10, 30, 14.5 / 34.5, rounded=True), Share("<10", 30, None, rounded=True), None,
    )  # fmt: skip
    assert [length.texts for length in shown.lengths] == [60]
    few = {"split": ["test"] * 3, "label": [1, 0, 0], "text": ["hospice", "a", "b c"]}
    (length,) = hidden(looked(tmp_path, few)).lengths
    assert (length.texts, length.mean, length.longest) == ("<10", None, None)
    assert str(Share("<10", 30, None, rounded=True)) == "<10 of 30+"
    assert hidden(share(0, 5)) == Share(0, "<10", None, rounded=True)
