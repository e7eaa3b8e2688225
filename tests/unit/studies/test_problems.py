"""What is wrong with many cells, or to be noted of them, is said once."""

from chartune.studies.problems import noted, together


def test_a_note_of_several_cells_stands_once_below_lines_that_say_enough() -> None:
    cells = [("a", "a: 3 s", "later"), ("b", "b: 4 s", "later"), ("c", "c: 5 s", "alone"), ("d", "d: 6 s", "")]
    assert noted(cells) == ["a: 3 s", "b: 4 s", "c: 5 s: alone", "d: 6 s", "2 cells (`a`, `b`): later"]
    bare = [("a", "a", "takes seconds"), ("b", "b", "takes seconds")]
    assert noted(bare) == ["a: takes seconds", "b: takes seconds"]


def test_a_problem_of_many_cells_names_the_first_and_their_number() -> None:
    assert together([("a", "no base")]) == "`a`: no base"
    every = [(cell, "no base") for cell in "abcd"]
    assert together(every) == "4 cells (`a`, `b`, `c`, …): no base"
    assert together([*every, ("e", "no task")]).splitlines() == [
        "2 problems", "- 4 cells (`a`, `b`, `c`, …): no base", "- `e`: no task",
    ]  # fmt: skip
