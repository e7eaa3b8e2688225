"""Coverage: what rules reached is told for all alike, and little is warned of as far as shown counts tell."""

from itertools import pairwise

import polars as pl
import pytest

from chartune.disclosure import shown, shown_sentence
from chartune.sources.codes import read_codes
from chartune.sources.coverage import Coverage, Rule, described, few, rare
from chartune.sources.mimic4 import CODED
from chartune.sources.tables import Tally

HALF = Rule("a title", "codes", 0.5, "Mend it.")


@pytest.mark.parametrize(
    ("reachable", "reached", "is_few"),
    [
        (9, 0, False),
        (10, 0, True),
        (19, 9, False),
        (20, 9, True),
        (20, 10, False),
        (1000, 499, True),
        (1009, 500, False),
    ],
)
def test_few_is_less_than_the_usual_share_whatever_the_exact_counts_are(
    reachable: int, reached: int, is_few: bool
) -> None:
    assert few(HALF.of(reachable, reached)) == is_few
    assert not few(Rule("a title", "codes").of(reachable, reached))


def test_a_warning_tells_nothing_that_the_shown_counts_do_not() -> None:
    seen: dict[tuple[str, str], set[bool]] = {}
    for reachable in range(130):
        for reached in range(reachable + 1):
            shown_as = (shown(reachable, exact=False), shown(reached, exact=False))
            if 0 < reachable < 10 and reached == 0:
                continue
            seen.setdefault(shown_as, set()).add(few(Rule("", "", 0.9).of(reachable, reached)))
    assert all(len(answers) == 1 for answers in seen.values())


def test_rules_that_miss_are_told_in_counts_and_the_others_in_one_line() -> None:
    rules = {"a": [HALF.of(30, 2), Rule("a word", "codes").of(30, 30)], "b": [HALF.of(40, 40)], "c": [HALF.of(0, 0)]}
    assert described(rules) == ["a: of 30 codes: a title 2, a word 30.", "reached wherever it could be: b (a title)."]
    assert shown_sentence(rare(rules)[0], exact=False) == "a: fewer than 50% of the codes have a title. Mend it."
    assert rare({"a": [HALF.of(30, 2)], "b": [HALF.of(50, 3)]})[0].startswith("a, b: fewer than 50% of the codes")
    assert described({"a": [HALF.of(30, 2).but(in_flow=True)]}) == []


def test_codes_of_another_version_and_without_a_title_are_counted_by_row(monkeypatch: pytest.MonkeyPatch) -> None:
    def codes(*rows: tuple[str | None, int]) -> pl.DataFrame:
        return pl.DataFrame(rows, schema={"icd_code": pl.String, "icd_version": pl.Int64}, orient="row")

    frames = {
        "diagnoses_icd": codes(("4280", 9), ("4280", 9), ("I10", 10), ("I10", 11), ("X", 9), (None, 9)),
        "d_icd_diagnoses": codes(("4280", 9), ("4280", 9), ("I10", 10), ("X", 9)).with_columns(
            long_title=pl.Series(["Heart failure", "Heart failure", "Hypertension", None])
        ),
    }  # fmt: skip
    monkeypatch.setattr("chartune.sources.codes.read", lambda file, *_: frames[file])
    tallies = {table.name: Tally() for table in CODED}
    read_codes(CODED, {name: name for name in frames}, tallies)  # type: ignore[misc]
    reached = {rule.rule: (rule.reachable, rule.reached) for rule in tallies["diagnoses_icd"].coverage()}
    assert reached == {"the version ICD-9 or ICD-10": (5, 4), "a title": (5, 3)}
    assert tallies["procedures_icd"].coverage() == []
    tallies["diagnoses_icd"].restart()
    assert tallies["diagnoses_icd"].coverage() == []


def test_counts_of_batches_add_up() -> None:
    tally, rules = Tally(), list[Coverage]()
    for rule in pairwise((1, 2, 3)):
        tally.reach(Rule("a title", "codes"), *reversed(rule))
        rules = tally.coverage()
    assert [(row.reachable, row.reached, row.usual) for row in rules] == [(5, 3, 0.8)]
