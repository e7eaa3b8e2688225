"""The positive class: which of two labels is asked about, who chose it, and where it is named."""

import json
from pathlib import Path

import polars as pl
import pytest

from chartune.answers import BINARY, ONE_OF
from chartune.answers.outcomes import probability_column
from chartune.runs.run import Run
from chartune.tasks.labels import LabelSpace
from chartune.tasks.positive import CONVENTIONS, positive_of, unchosen
from chartune.testing.command_line import chartune
from chartune.testing.plain import typed_task


@pytest.mark.parametrize(
    ("names", "positive"),
    [("0 1", "1"), ("false true", "true"), ("no yes", "yes"), ("nein ja", "ja"), ("non oui", "oui"),
     ("survived died", "died"), ("alive dead", "dead"), ("negative positive", "positive"),
     ("absent present", "present"), ("control case", "case"), ("Survived DIED", "DIED")],
)  # fmt: skip
def test_of_a_conventional_pair_what_happened_is_asked_about(names: str, positive: str) -> None:
    assert positive_of(names.split()) == positive_of(names.split()[::-1]) == (positive, "convention")


def test_of_a_class_and_its_denial_the_class_is_asked_about() -> None:
    assert positive_of(["readmitted", "not readmitted"]) == ("readmitted", "convention")
    assert positive_of(["cancer", "no cancer"]) == ("cancer", "convention")


def test_of_other_pairs_the_later_in_sorting_is_and_what_was_chosen_counts_before_all() -> None:
    assert positive_of(["green", "blue"]) == ("green", "sorting")
    assert positive_of(["no", "yes"], "no") == ("no", "choice")


def test_no_convention_contradicts_another() -> None:
    assert all((positive, negative) not in CONVENTIONS and positive != negative for negative, positive in CONVENTIONS)
    assert all(name == name.casefold() for pair in CONVENTIONS for name in pair)


def test_it_is_told_with_both_classes_and_only_of_two() -> None:
    assert BINARY.outcome(["survived", "died"]) == "died (of died, survived)"
    assert BINARY.outcome(["a\x1b[2J", "b"]) == "b (of a\ufffd[2J, b)"
    for form, labels in ((ONE_OF, ["a", "b"]), (BINARY, ["a"])):
        assert form.outcome(labels) == ""


def test_who_chose_is_kept_with_the_labels() -> None:
    space = LabelSpace("binary", ("blue", "green"), ("blue", "green"), "sorting")
    assert LabelSpace.from_json(space.to_json()) == space
    assert (space.to_json()["positive"], space.to_json()["positive_by"]) == ("green", "sorting")
    assert LabelSpace("multiclass", ("a", "b"), ("a", "b")).positive is None
    assert unchosen({"labels": typed_task(space.to_json())})[0].startswith(
        "labels: nobody chose the class that is asked about"
    )
    assert unchosen({"labels": typed_task({**space.to_json(), "positive_by": "convention"})}) == []


def test_a_column_of_predictions_has_a_plain_name() -> None:
    assert [probability_column(name) for name in ("Died", "not ok!", "是")] == ["p_died", "p_not_ok", "p_1"]


def table(folder: Path, one: str, other: str) -> Path:
    """240 patients of two classes; `other` goes with grave words."""
    rows = [(n, f"{'septic' if n % 3 else 'walking'} number {n}", other if n % 3 else one) for n in range(240)]
    pl.DataFrame(rows, schema=["subject_id", "text", "label"], orient="row").write_csv(folder / "notes.csv")
    return folder / "notes.csv"


@pytest.mark.parametrize(
    ("classes", "asked", "column"),
    [(("survived", "died"), "died (of died, survived)", "p_died"), (("green", "blue"), "green (of blue, green)",
     "p_green")],
)  # fmt: skip
def test_every_place_that_shows_a_score_names_the_class(
    tmp_path: Path, classes: tuple[str, str], asked: str, column: str
) -> None:
    file, store = table(tmp_path, *classes), ("--store", tmp_path / "store")
    warned = classes == ("green", "blue")
    prepared = chartune("prepare", file, *store)
    assert f"  asked: {asked}\n" in prepared.out
    assert ("nobody chose the class" in prepared.out) is warned
    trained = chartune("finetune", file, "--method", "tfidf", "--name", "words", *store)
    assert trained.code == 0, trained.err
    assert f"  asked: {asked}\n" in trained.out
    assert ("warning: labels: nobody chose the class" in trained.err) is warned
    data = json.loads(chartune("datasets", *store, "--json").out)["datasets"][0]["data"]
    for words in (("datasets", data), ("show", data)):
        output = chartune(*words, *store).out
        assert f"  asked: {asked}\n" in output
        assert ("nobody chose the class" in output) is warned
    assert f"**Asked:** {asked}" in chartune("show", "words", "--card", *store).out
    assert f"**Asked:** {asked}" in (tmp_path / "store" / "data" / data / "README.md").read_text()
    page = tmp_path / "report.html"
    assert chartune("report", "--out", page, *store).code == 0
    assert asked in page.read_text()
    run = Run(Path(json.loads(chartune("show", "words", *store, "--json").out)["folder"]))
    rows = run.predictions("test")
    assert rows[column].equals(rows["probability"].alias(column))
    assert rows.filter(pl.col("label") == 1)[column].mean() > rows.filter(pl.col("label") == 0)[column].mean()  # type: ignore[operator]
    assert (run.about.positive, sorted(run.about.classes or ())) == (asked.split()[0], sorted(classes))


def test_who_names_the_class_is_warned_of_nothing(tmp_path: Path) -> None:
    file = table(tmp_path, "green", "blue")
    said = chartune("prepare", file, "--set", "tasks=[{kind: labels, positive: blue}]", "--store", tmp_path / "store")
    assert "  asked: blue (of blue, green)\n" in said.out
    assert "nobody chose" not in said.out
