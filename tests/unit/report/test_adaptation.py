"""Adapters beside each other: the same tokens, the same draws, and nothing of few real patients."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from chartune.disclosure import behind
from chartune.errors import ConfigError
from chartune.log import Event
from chartune.metrics import paired_difference
from chartune.metrics.perplexity import Sums, summed
from chartune.quantities import Estimate
from chartune.report.adaptation import perplexity_comparisons, perplexity_table, protected
from chartune.report.beside_adapted import adapted_beside
from chartune.report.hidden import behind_run
from chartune.report.render import _adaptation
from chartune.report.summary import adapted
from chartune.report.table import estimated
from chartune.report.variants import Variant, numbered
from chartune.runs import Run
from chartune.runs.nll import nll_rows
from chartune.store import Store
from chartune.testing import past_runs as past
from chartune.testing.command_line import chartune
from chartune.testing.plain import typed

Make = Callable[..., Variant]


def read(shift: float, patients: int = 30, tokens: int = 20) -> Sums:
    """Patients whose texts differ much more than the models that read them."""
    owners = np.repeat(np.arange(patients), tokens)
    before = 2 + np.repeat(np.linspace(0, 2, patients), tokens) + np.random.default_rng(5).random(len(owners))
    added = np.full(len(owners), 4, dtype=np.int32)
    return summed(owners, {"before": before, "after": before - 1 + shift}, added)


@pytest.fixture
def make(tmp_path: Path) -> Make:
    store = Store(tmp_path).open()

    def variant(name: str, sums: Sums, validation: float, source_kind: str = "made-up") -> Variant:
        scores = {"test": sums.measured(), "validation": {"perplexity": Estimate(validation)}}
        print_of = f"{len(list(store.artefacts('runs'))) + 1:x}" * 16
        past.adapted(store, print_of, name, nll_rows("test", sums), scores, source_kind)
        return replace(numbered([Run.of(store, print_of)], "P")[0], label=name)

    return variant


def test_the_legend_of_the_curves_names_those_that_have_one(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    measured = [Event(1, "loss", 2.0, "train"), Event(2, "loss", 1.0, "train")]
    monkeypatch.setattr(Run, "events", lambda run, name, split: measured * (run.name == "P1" and name == "loss"))
    section = _adaptation([make("P2", read(0.0), 8.0), make("P1", read(0.0), 9.0)], {})
    assert [variant.name for variant in section.curves.variants] == ["P1"]
    assert len(section.curves) == 1


def test_each_is_held_against_the_best_on_the_validation_split(make: Make) -> None:
    """And not against the best on the test split, which would be chosen by what it is then shown for."""
    chosen, other = read(0.02), read(0.0)
    table = perplexity_comparisons([make("other", other, 9.0), make("chosen", chosen, 8.0)])
    assert table is not None
    (row,) = table.rows
    expected = paired_difference([other.draws("perplexity")], [chosen.draws("perplexity")]).estimate()
    assert (row[0].text, row[0].detail) == ("other · other", "against chosen · chosen")
    assert row[1].text == estimated(expected.value, expected.low, expected.high, signed=True).text
    assert row[2].text == "lower: better"
    # Each interval by itself is far wider than the difference: the pairing has found it.
    own = chosen.measured()["perplexity"]
    assert own.low is not None
    assert own.low < other.measured()["perplexity"].value


def test_on_another_tokenizer_bits_per_byte_are_compared_and_other_patients_are_not(make: Make) -> None:
    reference = make("best", read(0.0), 1.0)
    table = perplexity_comparisons([reference, make("finer", read(0.0, tokens=25), 2.0)])
    assert table is not None
    assert table.rows[0][1].detail.startswith("bits per byte")
    assert perplexity_comparisons([reference, make("others", read(0.0, patients=31), 2.0)]) is None


def test_the_summary_names_the_method_of_each_perplexity(make: Make) -> None:
    made = [make(name, read(shift), shift) for name, shift in (("LoRA", 0.0), ("Prefix", 0.5))]
    before, first, second = (f"{v.run.scores['test'][name].value:.2f}" for v, name in (
        (made[0], "perplexity_before"), (made[0], "perplexity"), (made[1], "perplexity")))  # fmt: skip
    said, = adapted(made)  # fmt: skip
    assert said.endswith(f"took its test perplexity from {before} to {first} by LoRA and {second} by Prefix.")
    assert adapted(made[:1])[0].endswith(f"from {before} to {first}.")


def test_compare_shows_two_adapters_side_by_side_and_pairs_their_patients(make: Make, tmp_path: Path) -> None:
    better, worse, others = (
        make(n, read(s, p), s).run for n, s, p in (("b", 0.0, 30), ("w", 0.02, 30), ("o", 0.1, 31))
    )
    table, result = adapted_beside(worse, better, exact=False)
    expected = paired_difference(*([read(s).draws("perplexity")] for s in (0.02, 0.0))).estimate()
    assert [row[0].text for row in table.rows] == ["A · w", "B · b"]
    assert result["difference"] == {"of": ["a", "b"], "metric": "perplexity", "value": expected.value,
                                    "low": expected.low, "high": expected.high}  # fmt: skip
    assert (
        f"A − B in perplexity is {estimated(expected.value, expected.low, expected.high, signed=True).text} ["
        in table.note
    )
    assert result["scores"][1]["After"] == table.rows[1][2].text
    assert "Not paired" in adapted_beside(others, better, exact=False)[0].note
    said = chartune("compare", worse.fingerprint, better.fingerprint, "--store", tmp_path, "--json")
    assert (said.code, json.loads(said.out)["difference"]) == (0, result["difference"])
    with pytest.raises(ConfigError, match="two runs, but both"):
        adapted_beside(better, better, exact=False)


@pytest.mark.parametrize(("patients", "shown"), [(9, False), (10, True)])
def test_compare_of_few_real_patients_says_so(make: Make, patients: int, shown: bool) -> None:
    ours, theirs = (make(name, read(shift, patients), shift, "mimic3").run for name, shift in (("a", 0.1), ("b", 0.2)))
    table, result = adapted_beside(ours, theirs, exact=False)
    assert result["paired"] == shown
    assert all(bool(cell.detail) == shown for row in table.rows for cell in row[1:4])
    assert adapted_beside(ours, theirs, exact=True)[1]["paired"]


@pytest.mark.parametrize(("patients", "shown"), [(9, False), (10, True)])
def test_of_few_real_patients_no_interval_is_shown(make: Make, patients: int, shown: bool) -> None:
    made = [make(name, read(shift, patients), shift, "mimic3") for name, shift in (("a", 0.1), ("b", 0.2))]
    real = protected(made, {past.DATA: typed(past.dataset("mimic3"))})
    table = perplexity_table(real)
    assert table is not None
    assert all(bool(cell.detail) == shown for row in table.rows for cell in row[1:4])
    assert (perplexity_comparisons(real) is not None) == shown
    score = made[0].run.scores["test"]["perplexity"]
    released = behind_run(made[0].run).release("perplexity", score)
    assert (released.low is not None, released.n) == (shown, None)
    assert protected(made, {past.DATA: typed(past.dataset("made-up"))})[0].behind is None


def test_rows_of_unlabelled_text_hide_no_score() -> None:
    stands = behind({"perplexity": Estimate(3.0, n=41)}, None, pl.DataFrame({"subject_id": [1, 2]}), scored=False)
    assert (stands.few, stands.thin, stands.rows) == (False, True, 41)
