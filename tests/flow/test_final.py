"""Final or not: a run that leaves out the test split shows none of it, and what it learnt can score it later."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from chartune.cli.account import account
from chartune.config import Config
from chartune.models.backbone import LocalBackbone
from chartune.report.render import page_of
from chartune.runner import run
from chartune.runs.run import Run
from chartune.stages.catalog import stages
from chartune.store import Store
from chartune.tasks.prepare import Preparation
from chartune.testing.command_line import chartune
from chartune.testing.short_texts import short_texts

LORA = {"kind": "lora", "rank": 2, "dropout": 0.0}
KINDS: dict[str, dict[str, Any]] = {
    "lora": {"kind": "finetune", "stack": {"layers": [{"kind": "fresh", "method": LORA}]}},
    "head": {"kind": "finetune", "stack": {"layers": []}},
    "clinical": {"kind": "pretrain", "method": LORA},
    "adapted": {"kind": "pretrain", "method": {"kind": "full"}},
    "words": {"kind": "tfidf", "least_documents": 1},
}
ORDINARY = ("lora", "words")
"""The others train whatever these do not, and are slow."""
Asked = Callable[..., Any]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> tuple[Preparation, Store]:
    folder = tmp_path_factory.mktemp("final")
    return short_texts(folder / "raw", folder / "lists"), Store(folder / "store").open()


@pytest.fixture(scope="module")
def asked(place: tuple[Preparation, Store], llama: LocalBackbone) -> Asked:
    """Name of a kind, and fields → the stage."""

    def stage(name: str, **changed: Any) -> Config:
        model: dict[str, Any] = {
            "backbone": {"name": str(llama.folder)}, "max_seq_len": 32,
            "numerics": {"precision": "fp32", "attention": "eager"},
            "optimisation": {"duration": {"value": 2, "unit": "steps"}},
        }  # fmt: skip
        fields = {**({} if name == "words" else model), **KINDS[name], "data": place[0], "name": name, **changed}
        return stages[fields["kind"]].parse(fields)

    return stage


@pytest.fixture(scope="module", autouse=True)
def unplanned() -> Iterator[None]:
    """Without plans: they take longer than these runs."""
    with patch("chartune.runner._planned", lambda *_: {}):
        yield


@pytest.fixture(scope="module")
def validated(place: tuple[Preparation, Store], asked: Asked) -> dict[str, Run]:
    return {name: run(asked(name, scores_test=False), place[1]) for name in ORDINARY}


def test_a_stage_that_scores_the_test_split_is_named_as_before_there_was_a_choice(asked: Asked) -> None:
    for name in KINDS:
        assert "scores_test" not in asked(name).hashable()
        assert asked(name, scores_test=False).hashable()["scores_test"] is False


@pytest.mark.parametrize("name", ORDINARY)
def test_a_run_that_is_not_final_has_nothing_of_the_test_split(validated: dict[str, Run], name: str) -> None:
    made = validated[name]
    assert set(made.scores) == {"validation"}
    assert made.scores["validation"][made.headline.metric].value > 0
    assert not made.final
    if made.task:
        assert set(made.predictions()["split"]) == {"validation"}
    assert made.estimate("oracle_auroc", "validation") is None
    assert made.per_label() is None


@pytest.mark.parametrize("name", [n if n in ORDINARY else pytest.param(n, marks=pytest.mark.slow) for n in KINDS])
def test_made_final_it_is_what_it_would_have_been_at_once_and_no_weight_is_trained_again(
    place: tuple[Preparation, Store], asked: Asked, validated: dict[str, Run], tmp_path: Path, name: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    first = validated.get(name) or run(asked(name, scores_test=False), place[1])
    at_once = run(asked(name), Store(tmp_path).open())
    for kind in ("finetune", "pretrain"):
        monkeypatch.delattr(f"chartune.stages.{kind}.fit")
    later = run(asked(name), place[1])
    assert later.fingerprint == at_once.fingerprint != first.fingerprint
    assert later.final
    assert later.scores == at_once.scores
    assert later.about.calibration == at_once.about.calibration
    assert later.about.truncated_fraction == at_once.about.truncated_fraction
    if later.task:
        assert later.predictions().equals(at_once.predictions())
    if name != "words":
        assert later.about.trained_in == first.fingerprint
        assert later.cost.tokens == at_once.cost.tokens
        weights = {file.relative_to(later.path) for file in later.path.rglob("*.safetensors")}
        assert weights
        for file in weights:
            assert (later.path / file).read_bytes() == (at_once.path / file).read_bytes()
    later.artefact.verify()


def test_what_is_said_of_it_is_that_test_was_not_scored(
    place: tuple[Preparation, Store], validated: dict[str, Run]
) -> None:
    root = place[1].root
    lines = {line.split()[0]: line for line in chartune("ls", "--store", root).out.splitlines()}
    for name in ORDINARY:
        assert "test not scored" in lines[validated[name].fingerprint]
        shown = chartune("show", validated[name].fingerprint, "--store", root)
        assert shown.code == 0
        assert account(validated[name], {}, None).count("test: not scored") == 1
    card = (validated["lora"].path / "MODEL_CARD.md").read_text()
    assert "not scored: this run is not final" in card
    assert "scored once" not in card


def test_a_report_shows_validation_for_it_and_says_which_were_scored(
    place: tuple[Preparation, Store], validated: dict[str, Run]
) -> None:
    page = page_of(place[1], list(validated.values()), "t")
    assert "not final: of them only the validation split was scored" in page
    assert page.count(">not scored") == len(ORDINARY)
    assert "scores on the test split" not in page
