"""Tasks with one label per row: relations with their negatives, assertions, inference."""

from pathlib import Path

import polars as pl
import pytest

from chartune.errors import LabelError
from chartune.sources.annotated.brat_folder import BratFolder
from chartune.sources.annotated.i2b2_2010 import I2b2Relations2010
from chartune.sources.annotated.mednli import MedNli
from chartune.sources.annotated.n2c2_2018 import N2c2Drugs2018
from chartune.sources.annotated.pair_tables import PairTables
from chartune.tasks.annotated.assertions import Assertions
from chartune.tasks.annotated.inference import Inference, Pairs
from chartune.tasks.annotated.relations import FAR, NO_RELATION, ODD, SECOND, Relations, _marked
from chartune.tasks.annotated.sentences import NoteLines
from chartune.tasks.annotated.task import EXAMPLES, Made
from chartune.testing.annotated_corpora import write_2010, write_2018, write_mednli
from chartune.testing.downloads import write_loose
from chartune.testing.text_pairs import write_pairs


def relations_of(made: Made) -> list[tuple[str, str, str]]:
    """Label, words of the head, words of the tail; they are read from the offsets."""
    return [
        (
            made.labels[row["label"]],
            row["text"][row["head_start"] : row["head_end"]],
            row["text"][row["tail_start"] : row["tail_end"]],
        )
        for row in made.frame.iter_rows(named=True)
    ]


def test_all_ordered_pairs_of_a_line_whose_types_may_be_related_are_examples(tmp_path: Path) -> None:
    records = I2b2Relations2010(folder=write_2010(tmp_path)).load()
    made = Relations().make(records, records.documents.filter(pl.col("doc_id") == "record-13"))
    assert relations_of(made) == [
        (NO_RELATION, "has", "severe PAIN"),
        ("TrAP", "Aspirin", "headache"),
        (NO_RELATION, "Aspirin", "arrhythmia"),
        (NO_RELATION, "headache", "arrhythmia"),
        (NO_RELATION, "EKG", "headache"),
        ("TeRP", "EKG", "arrhythmia"),
        (NO_RELATION, "arrhythmia", "headache"),
    ]
    assert made.labels == (NO_RELATION, "TeRP", "TrAP")
    assert made.candidates == {
        "admissible": [["problem", "problem"], ["test", "problem"], ["treatment", "problem"]], "lines": 1,
        "entities": "marked",
    }  # fmt: skip
    assert made.left_out[FAR] == 1
    assert made.frame.columns[: len(EXAMPLES)] == list(EXAMPLES)
    assert made.frame.schema["prediction_time"] == EXAMPLES["prediction_time"]
    assert made.frame["hadm_id"].is_unique().all()


def test_several_lines_reach_relations_that_one_line_does_not(tmp_path: Path) -> None:
    records = I2b2Relations2010(folder=write_2010(tmp_path)).load()
    made = Relations(lines=3).make(records, records.documents)
    assert ("PIP", "chest\ntightness", "severe PAIN") in relations_of(made)
    assert made.left_out[FAR] == 0


def test_a_relation_twice_or_between_other_types_is_counted(tmp_path: Path) -> None:
    files = {
        "1.txt": "Aspirin for cough .\n",
        "1.con": 'c="aspirin" 1:0 1:0||t="treatment"\nc="cough" 1:2 1:2||t="problem"\n',
        "1.rel": "".join(f'c="aspirin" 1:0 1:0||r="{type_}"||c="cough" 1:2 1:2\n' for type_ in ("TrAP", "TrWP"))
        + 'c="cough" 1:2 1:2||r="PIP"||c="cough" 1:2 1:2\n',
    }
    records = I2b2Relations2010(folder=write_loose(tmp_path, files)).load()
    made = Relations().make(records, records.documents)
    assert relations_of(made) == [("TrAP", "Aspirin", "cough")]
    assert (made.left_out[SECOND], made.left_out[ODD]) == (1, 1)


def test_parts_of_drugs_are_paired_with_drugs_within_three_lines(tmp_path: Path) -> None:
    records = N2c2Drugs2018(folder=write_2018(tmp_path)).load()
    made = Relations().make(records, records.documents.filter(pl.col("doc_id") == "100035"))
    found = relations_of(made)
    assert ("Strength-Drug", "81 mg", "ASPIRIN") in found
    assert ("Reason-Drug", "chest\npain", "ASPIRIN") in found
    assert ("ADE-Drug", "left and right arm swelling", "aspirin") in found
    assert (NO_RELATION, "Rash", "aspirin") in found  # as a reason; as an adverse event it is related
    assert ("ADE-Drug", "Rash", "aspirin") in found
    assert sum(label != NO_RELATION for label, _, _ in found) == 4
    assert (NO_RELATION, "81 mg", "Olanzapine") in found  # two lines below
    assert (NO_RELATION, "81 mg", "aspirin") not in found  # three lines below
    assert made.left_out[FAR] == 0


def test_both_entities_are_marked_with_their_types_or_replaced_by_them() -> None:
    text, places, types = "Took aspirin for severe pain .", (5, 12, 17, 28), ("Drug", "Problem")
    made, (head, end, tail, until) = _marked(text, places, types, "marked")
    assert made == "Took @ * Drug * aspirin @ for # ^ Problem ^ severe pain # ."
    assert (made[head:end], made[tail:until]) == ("aspirin", "severe pain")
    made, (head, end, tail, until) = _marked(text, places, types, "replaced")
    assert made == "Took @Drug$ for @Problem$ ."
    assert (made[head:end], made[tail:until]) == ("@Drug$", "@Problem$")
    backwards = _marked(text, (17, 28, 5, 12), ("Problem", "Drug"), "marked")[0]
    assert backwards == "Took # ^ Drug ^ aspirin # for @ * Problem * severe pain @ ."
    assert _marked(text, (17, 28, 5, 12), ("Problem", "Drug"), "replaced")[0] == "Took @Drug$ for @Problem$ ."


def test_entities_that_share_characters_are_marked_within_each_other() -> None:
    text, types = "no chest pain now", ("A", "B")
    made, (head, end, tail, until) = _marked(text, (3, 13, 9, 13), types, "marked")
    assert made == "no @ * A * chest # ^ B ^ pain # @ now"
    assert (made[head:end], made[tail:until]) == ("chest # ^ B ^ pain #", "pain")
    made, (head, end, tail, until) = _marked(text, (9, 13, 3, 13), types, "marked")
    assert made == "no # ^ B ^ chest @ * A * pain @ # now"
    assert made[head:end] == "pain"
    assert _marked(text, (3, 8, 8, 13), types, "marked")[0] == "no @ * A * chest @# ^ B ^  pain # now"
    made, (head, end, tail, until) = _marked(text, (9, 13, 3, 13), types, "replaced")
    assert made == "no @B$ @A$ now"
    assert (made[head:end], made[tail:until]) == ("@A$", "@B$")


def test_types_of_a_brat_folder_are_those_that_training_relates_and_no_relation_is_the_first_label(
    tmp_path: Path,
) -> None:
    marks = "T1\tDrug 0 7\taspirin\nT2\tPain 8 12\tpain\nT3\tTest 13 16\tEKG\n"
    files = {f"{part}/{part}.txt": "aspirin pain EKG\n" for part in ("train", "test")}
    files |= {"train/train.ann": f"{marks}R1\tA_first Arg1:T1 Arg2:T2\n",
              "test/test.ann": f"{marks}R1\tB Arg1:T3 Arg2:T2\nR2\tA_first Arg1:T1 Arg2:T2\n"}  # fmt: skip
    records = BratFolder(folder=write_loose(tmp_path, files)).load()
    made = Relations().make(records, records.documents)
    assert relations_of(made) == [
        ("A_first", "aspirin", "pain"), ("A_first", "aspirin", "pain"),
    ]  # fmt: skip
    assert made.labels == (NO_RELATION, "A_first")
    assert made.left_out[ODD] == 1
    asked = Relations(admissible=(("Test", "Pain"),)).make(records, records.documents)
    assert asked.labels == (NO_RELATION,)
    assert asked.frame.height == 1
    assert asked.left_out["no training example has its label"] == 1


def test_an_excerpt_is_whole_lines_and_offsets_fit_into_it() -> None:
    lines = NoteLines("one\r\ntwo two\nthree")
    assert lines.lines(5, 8) == (1, 1)
    assert lines.lines(0, 6) == (0, 1)
    assert lines.lines(0, 5) == (0, 0)
    assert lines.excerpt(0, 0) == ("one", 0)
    assert lines.excerpt(1, 2) == ("two two\nthree", 5)


@pytest.mark.parametrize(("entities", "read"), [
    ("marked", {"He": " He  has @ * problem * severe PAIN @ .", "No": "No @ * problem * Fever @ today ."}),
    ("replaced", {"He": " He  has @problem$ .", "No": "No @problem$ today ."}),
])  # fmt: skip
def test_the_problem_of_an_assertion_is_marked_or_replaced_and_its_place_is_that_of_what_stands_there(
    tmp_path: Path, entities: str, read: dict[str, str]
) -> None:
    records = I2b2Relations2010(folder=write_2010(tmp_path)).load()
    made = Assertions.parse({"entities": entities}).make(records, records.documents)
    rows = [row for row in made.frame.iter_rows(named=True) if row["doc_id"] in ("record-13", "0001")]
    texts = {row["text"].split()[0]: row["text"] for row in rows}
    assert {first: texts[first] for first in read} == read
    stands = {row["text"][row["start"] : row["end"]] for row in rows}
    assert stands == ({"@problem$"} if entities == "replaced" else {"severe PAIN", "headache", "Fever"})


def test_assertions_show_the_line_of_the_problem(tmp_path: Path) -> None:
    records = I2b2Relations2010(folder=write_2010(tmp_path)).load()
    made = Assertions().make(records, records.documents)
    rows = {
        (made.labels[row["label"]], row["text"][row["start"] : row["end"]], row["split"])
        for row in made.frame.filter(pl.col("doc_id").is_in(["record-13", "0001"])).iter_rows(named=True)
    }
    assert rows == {("present", "severe PAIN", "train"), ("absent", "headache", "train"), ("absent", "Fever", "test")}


def test_a_label_that_no_training_row_has_is_left_out_and_counted(tmp_path: Path) -> None:
    records = I2b2Relations2010(folder=write_2010(tmp_path)).load()
    made = Assertions().make(records, records.documents.filter(pl.col("doc_id") != "record-13"))
    assert made.labels == ("present",)
    assert made.left_out["no training example has its label"] == 1
    assert made.counts["test"] == {"subjects": 0, "examples": 0}


@pytest.mark.parametrize(("pairs", "nulls"), [("both", 0), ("premise-only", 15)])
def test_inference_reads_both_sentences_or_the_premise_alone(tmp_path: Path, pairs: str, nulls: int) -> None:
    records = MedNli(folder=write_mednli(tmp_path)).load()
    task = Inference.parse({"pairs": pairs})
    made = task.make(records, records.documents)
    assert made.labels == ("contradiction", "entailment", "neutral")
    assert made.frame["text_pair"].null_count() == nulls
    assert made.frame.columns == [*EXAMPLES, "text_pair", "pair_id"]
    assert made.counts["train"] == {"subjects": 3, "examples": 9}
    assert ("Taylor" in task.card("mednli").seen) is (pairs == "premise-only")


def test_of_two_labels_one_is_asked_about_as_is_usual_or_as_stated(tmp_path: Path) -> None:
    records = PairTables(folder=write_pairs(tmp_path)).load()
    said = {row["pair_id"]: row["label"] for row in records.pairs.iter_rows(named=True)}
    for positive, labels in ((None, ("control", "case")), ("control", ("case", "control"))):
        made = Pairs(positive=positive).make(records, records.documents)
        assert (made.answer, made.labels) == ("binary", labels)
        rows = made.frame.select("pair_id", "label").iter_rows()
        assert all(labels[label] == said[pair_id] for pair_id, label in rows)
    with pytest.raises(LabelError, match="`positive` must be one of two labels"):
        Pairs(positive="other").make(records, records.documents)


def test_a_task_without_training_rows_is_empty_and_says_why(tmp_path: Path) -> None:
    records = I2b2Relations2010(folder=write_2010(tmp_path)).load()
    made = Relations().make(records, records.documents.filter(pl.col("split") == "test"))
    assert made.frame.is_empty()
    assert made.labels == ()
