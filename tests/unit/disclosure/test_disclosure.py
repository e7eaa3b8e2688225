"""The rule: classes of ten, rates worked out of them, scores that rest on ten, sentences, JSON that says what it is."""

from typing import Any

import polars as pl
import pytest

from chartune.answers import BINARY, ONE_OF
from chartune.disclosure import (
    Behind,
    amount,
    amount_shown,
    behind,
    digits,
    fewest,
    figures,
    magnitude,
    part_of_whole,
    percent,
    released,
    share,
    shown,
    shown_sentence,
    typical,
)
from chartune.quantities import Estimate
from chartune.runs.record import NamedSource
from chartune.sources.coverage import Coverage


def test_all_numbers_of_a_class_are_shown_alike_and_those_of_two_classes_are_not() -> None:
    for low in range(10, 200, 10):
        assert {shown(low + n, exact=False) for n in range(10)} == {f"{low}+"}
    assert {shown(n, exact=False) for n in range(1, 10)} == {"<10"}
    assert shown(1237, exact=True) == "1,237"


def test_what_is_worked_out_of_a_count_is_worked_out_of_one_number_for_its_class() -> None:
    assert [typical(n, exact=False) for n in (0, 1, 9, 10, 19, 37)] == [0, 5, 5, 15, 15, 35]
    assert all(shown(typical(n, exact=False), exact=False) == shown(n, exact=False) for n in range(200))
    assert typical(37, exact=True) == 37


def test_tokens_and_steps_of_real_patients_tell_no_number_of_texts() -> None:
    shown_of = [magnitude(amount, exact=False) for amount in (None, 0, 7, 97, 24_832, 955_000, 0.26)]
    assert shown_of == [None, 0, 7, 100, 20_000, 1_000_000, 0.3]
    assert magnitude(24_832, exact=True) == 24_832
    assert magnitude(256 * 2, False, 2) is None  # its first digit would give them away
    assert (magnitude(256 * 10, False, 10), magnitude(256 * 2, True, 2)) == (3000, 512)
    fitting = {n for n in range(10, 200) if magnitude(256 * n, exact=False) == magnitude(256 * 97, exact=False)}
    assert len(fitting) > 10


def test_a_share_says_no_more_than_the_classes_of_its_counts() -> None:
    assert {share(part, whole, exact=False) for part in range(10, 20) for whole in range(30, 40)} == {14.5 / 34.5}
    assert [share(part, 40, exact=False) for part in (0, 1, 9)] == [0.0, None, None]
    assert share(3, 9, exact=False) is None
    assert share(0, 0, exact=False) is None
    assert share(3, 9, exact=True) == pytest.approx(1 / 3)


@pytest.mark.parametrize("least", [10, 30, 90, 100, 990, 1000, 12340])
def test_in_so_many_digits_every_denominator_of_the_class_can_give_every_share(least: int) -> None:
    step = 10.0 ** -digits(least)
    for of in (least, least + 9):
        assert 1 / of <= step + 1e-12
    assert digits(least, most=9) == len(str(least)) - 1


def test_of_texts_that_were_cut_some_in_ten_are_told() -> None:
    rates = (0, 0.01, 0.183, 0.5, 0.97, 1)
    percentages = [percent(rate, exact=False, whole=1000).replace("\N{NO-BREAK SPACE}", " ") for rate in rates]
    assert percentages == ["0 %", "<10 %", "≈ 20 %", "≈ 50 %", ">90 %", "100 %"]
    assert percent(0.183, exact=True) == "18.3\N{NO-BREAK SPACE}%"
    assert percent(0.183, exact=False) == "too few to show"  # of nobody knows how many


def test_a_share_beside_the_class_of_its_whole_pins_no_small_count() -> None:
    """The attacker tries all pairs that fit what is printed: every count of a class is among those of another print."""
    fitting: dict[tuple[str, str], set[int]] = {}
    for whole in range(1, 320):
        for part in range(1, whole):
            printed = (shown(whole, exact=False), percent(part / whole, exact=False, whole=whole))
            fitting.setdefault(printed, set()).update((part, whole - part))
    for printed, counts in fitting.items():
        small = {count for count in counts if count < 10}
        assert small in (set(), set(range(1, 10))) or printed[0] == "<10", printed
    assert "too few to show" not in {share for whole, share in fitting if whole == "100+"}


@pytest.mark.parametrize(
    ("sentence", "shown_as"),
    [
        ("NOTEEVENTS: 3 rows have no admission", "NOTEEVENTS: <10 rows have no admission"),
        ("T: MIMIC-III 1.4 has 46520 rows, this file 1237.", "T: MIMIC-III 1.4 has 46,520+ rows, this file 1,230+."),
        ("T: 12 of 1,893 codes are written with a dot, such as V45.81", None),
        (
            "2 cells, first in data row 14; these became U+FFFD.",
            "<10 cells, first in data row 14; these became U+FFFD.",
        ),
        ("ICD-9 from v1.4, within 48 hours of 2 days, before 2008: none", "the same"),
    ],
)
def test_counts_in_a_sentence_become_classes_and_names_and_times_stay(sentence: str, shown_as: str | None) -> None:
    expected = {None: "T: 10+ of 1,890+ codes are written with a dot, such as V45.81", "the same": sentence}
    assert shown_sentence(sentence, exact=False) == expected.get(shown_as, shown_as)
    assert shown_sentence(sentence, exact=True) == sentence


def rows(positives: int, negatives: int, each: int = 1) -> pl.DataFrame:
    """Predicted rows, `each` of them of one patient."""
    labels = [1] * positives + [0] * negatives
    return pl.DataFrame({"subject_id": [n // each for n in range(len(labels))], "label": labels})


@pytest.mark.parametrize(
    ("frame", "few"),
    [(rows(10, 10), False), (rows(9, 40), True), (rows(40, 9), True), (rows(20, 20, each=2), False),
     (rows(18, 40, each=2), True), (rows(40, 18, each=2), True)],
)  # fmt: skip
def test_ten_rows_and_ten_patients_with_the_outcome_and_without_it_stand_behind_a_score(
    frame: pl.DataFrame, few: bool
) -> None:
    stands = BINARY.behind({"auroc": Estimate(0.8, n=frame.height)}, {}, frame)
    assert stands.few is few
    assert ONE_OF.behind({}, {}, frame).few is False
    assert fewest([stands, BINARY.behind({}, {}, rows(9, 9))]).few
    unscored = behind({"perplexity": Estimate(3.0, n=5)}, scored=False)
    assert (unscored.few, unscored.rows) == (False, 5)


def test_where_rows_and_counts_disagree_the_fewest_count() -> None:
    for counts in ({"admissions": 40, "positives": 9}, {"admissions": 40, "positives": 31}, {"admissions": 9},
                   {"subjects": 9}):  # fmt: skip
        assert BINARY.behind({}, counts, rows(20, 20)).few
    assert BINARY.behind({"prevalence": Estimate(0.2, n=40)}, {}, rows(20, 20)).few
    stands = BINARY.behind({}, {"admissions": 40, "positives": 12}, rows(20, 20))
    assert (stands.rows, stands.positives, stands.negatives, stands.few) == (40, 12, 20, False)


def test_of_many_parts_whose_sum_is_printed_classes_are_twice_as_wide() -> None:
    assert [part_of_whole(n, exact=False, parts=8) for n in (0, 9, 19, 20)] == ["0", "<10", "10+", "20+"]
    assert [part_of_whole(n, exact=False, parts=9) for n in (0, 9, 19, 20, 39, 40)] == [
        "<20", "<20", "<20", "20+", "20+", "40+"
    ]  # fmt: skip
    assert part_of_whole(7, exact=True, parts=9) == "7"
    assert part_of_whole(None, exact=False, parts=9) == "not measured"


def test_a_prevalence_is_worked_out_of_classes_and_an_auroc_has_the_digits_of_its_pairs() -> None:
    stands = Behind(139, 21, 118, shares=frozenset({"prevalence"}))
    rate = stands.release("prevalence", Estimate(21 / 139, 0.1, 0.2, 139))
    assert (rate.value, rate.low, rate.n) == (round(24.5 / 134.5, 2), None, None)
    assert stands.release("auroc", Estimate(0.81249, 0.71111, 0.9, 139)) == Estimate(0.812, 0.711, 0.9)
    assert Behind(40, 12, 28).release("auroc", Estimate(0.81249)).value == 0.81


def test_a_perplexity_has_three_digits_and_no_number_of_tokens() -> None:
    assert Behind(scored=False).release("perplexity", Estimate(12.3456789, n=41_210)) == Estimate(12.346)


def test_an_accuracy_with_few_errors_is_not_shown() -> None:
    stands = Behind(30, shares=frozenset({"accuracy"}))
    assert stands.hides("accuracy", Estimate(28 / 30))
    assert stands.hides("accuracy", Estimate(2 / 30))
    assert not stands.hides("accuracy", Estimate(15 / 30))
    assert stands.release("accuracy", Estimate(17 / 30)).value == 0.6


def test_a_count_that_nobody_has_listed_is_hidden_in_json() -> None:
    entry: dict[str, Any] = {
        "new": {"seen": 7, "of": [12, 1237], "share": 0.123, "told": True, "nothing": None}, "config": {"rank": 8},
        "tasks": {"t": {"labels": ["428"], "counts": {"test": {"labels_assigned": 70, "subjects": 3}}}},
        "warnings": ["3 rows lack a day"], "attrition": [{"step": "of age 18", "notes": 5, "removed_notes": 2}],
    }  # fmt: skip
    assert released(entry, exact=False) == {
        "new": {"seen": "<10", "of": ["10+", "1,230+"], "share": 0.1, "told": True, "nothing": None},
        "config": {"rank": 8}, "tasks": {"t": {"labels": ["428"], "counts": {"test": {"subjects": "<10"}}}},
        "warnings": ["<10 rows lack a day"], "attrition": [{"step": "of age 18", "notes": "<10"}],
    }  # fmt: skip
    assert released(entry, exact=True) == entry


@pytest.mark.parametrize("name", ["labels", "rule", "config", "titles", "warnings"])
def test_counts_of_a_task_are_hidden_in_json_whatever_it_is_called(name: str) -> None:
    entry = {"labels": ["no", "yes"], "counts": {"test": {"subjects": 7}}}
    shown_entry = {"labels": ["no", "yes"], "counts": {"test": {"subjects": "<10"}}}
    assert released({"tasks": {name: entry}}, exact=False) == {"tasks": {name: shown_entry}}


def test_words_are_those_of_the_class_of_their_documents() -> None:
    """Else they are a multiple of how many there are, where all are of one length."""
    for documents in range(1, 10):
        assert amount_shown(30 * documents, documents, exact=False) == "≈\N{NO-BREAK SPACE}150"
    assert [amount(1170, 38, exact) for exact in (False, True)] == [35 * 31, 1170]
    assert [amount_shown(n, n, exact=False) for n in (0, 1)] == ["0", "≈\N{NO-BREAK SPACE}5"]
    corpus = {"counts": {"test": {"documents": 2, "words": 60}}}
    expected = {"counts": {"test": {"documents": "<10", "words": "≈\N{NO-BREAK SPACE}150"}}}
    assert released({"corpus": corpus}, exact=False) == {"corpus": expected}


@pytest.mark.parametrize(
    ("version", "exact", "held"),
    [("1.4", False, ("rounded", False)), ("1.4", True, ("exact", True)), ("made-up", True, ("exact", False)),
     ("made-up", False, ("exact", False))],
)  # fmt: skip
def test_json_says_which_figures_it_holds(version: str, exact: bool, held: tuple[str, bool]) -> None:
    told = figures(NamedSource(kind="mimic3", version=version), exact)
    assert (told["figures"], told["do_not_release"]) == held


def test_what_rules_reached_is_released_by_class_and_what_is_usual_as_it_is() -> None:
    rule = Coverage(rule="a title", unit="codes", reachable=1234, reached=7, usual=0.25)
    told = released({"source": {"coverage": {"diagnoses_icd": [rule.to_json()]}}}, exact=False)
    (row,) = told["source"]["coverage"]["diagnoses_icd"]
    assert row == {"rule": "a title", "unit": "codes", "reachable": "1,230+", "reached": "<10", "usual": 0.25}
