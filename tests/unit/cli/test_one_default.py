"""One default in one place: a verb and the same stage in Python are equal, and nobody is given the toy base unasked."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from chartune import Ensemble, Finetune, Fresh, LoRA, Pretrain, Prior, Prompted, Stack, Tfidf
from chartune.adapters.catalog import METHODS, method_class
from chartune.cli.options import source_at
from chartune.errors import ConfigError
from chartune.models.backbone import Backbone
from chartune.models.catalog import USUAL as USUAL_BASES
from chartune.models.heads import Head
from chartune.testing.command_line import Completed, chartune

BASE = Backbone(name="base")
USUAL = "by default"


class AskedError(Exception):
    """Carries the stage that a verb would have run or planned."""


@pytest.fixture(autouse=True)
def nothing_is_run(monkeypatch: pytest.MonkeyPatch) -> None:
    def asked(stage: Any, *_: object) -> None:
        raise AskedError(stage)

    monkeypatch.setattr("chartune.runner.run", asked)
    monkeypatch.setattr("chartune.planning.plan.plan", asked)
    for verb in ("finetune", "pretrain"):
        monkeypatch.setattr(f"chartune.cli.{verb}.say_warnings", lambda *_: [])


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    (tmp_path / "notes.csv").write_text("subject_id,text,label\n1,fever,0\n2,cough,1\n")
    return tmp_path / "notes.csv"


def stage_of(*words: object) -> Any:
    """The stage that a verb asks for."""
    with pytest.raises(AskedError) as caught:
        chartune(*words)
    return caught.value.args[0]


def refused(*words: object) -> Completed:
    said = chartune(*words)
    assert said.code == 2, said.err
    return said


@pytest.mark.parametrize("method", [USUAL, *METHODS])
def test_every_verb_asks_for_the_stage_that_python_makes(notes: Path, method: str) -> None:
    data: Any = {"source": source_at(notes, None)}
    flags = [notes, "--base", "base", *([] if method == USUAL else ["--method", method])]
    chosen = None if method == USUAL else method_class(method).parse({})
    tuned, adapted = Finetune(data=data, backbone=BASE), Pretrain(data=data, backbone=BASE)
    if chosen is not None:
        tuned = Finetune(data=data, backbone=BASE, stack=Stack(layers=(Fresh(method=chosen),)))
        adapted = Pretrain(data=data, backbone=BASE, method=chosen)
    for verb in ((), ("plan",)):
        assert stage_of(*verb, "finetune", *flags) == tuned
        assert stage_of(*verb, "pretrain", *flags) == adapted


def test_so_do_those_without_a_layer(notes: Path) -> None:
    data: Any = {"source": source_at(notes, None)}
    assert stage_of("finetune", notes, "--method", "tfidf") == Tfidf(data=data)
    head = stage_of("finetune", notes, "--base", "base", "--method", "head-only")
    assert head == Finetune(data=data, backbone=BASE, stack=Stack())
    assert head.title() == "head only"
    probe = stage_of("finetune", notes, "--base", "base", "--method", "linear-probe")
    assert probe == Finetune(data=data, backbone=BASE, stack=Stack(), head=Head(start="probe"))
    assert probe.title() == "linear probe (frozen embeddings + linear head)"
    assert stage_of("finetune", notes, "--method", "prior") == Prior(data=data)
    asked = stage_of("finetune", notes, "--base", "base", "--method", "prompted")
    assert asked == Prompted(data=data, backbone=BASE)
    both = stage_of("finetune", notes, "--method", "ensemble", "--member", "a", "--member", "b")
    assert both == Ensemble(data=data, members=("a", "b"))


def test_a_layer_by_default_is_one_lora_of_all_matrices(notes: Path) -> None:
    usual = {Fresh().method, Pretrain.model_fields["method"].default, *(
        layer.method for layer in Finetune.model_fields["stack"].default.layers)}  # fmt: skip
    assert usual == {LoRA()}
    assert LoRA().targets == "all-linear"
    stacked = stage_of("finetune", notes, "--base", "base", "--clinical", "below")
    assert stacked.stack.layers[1:] == (Fresh(),)


@pytest.mark.parametrize(
    ("verb", "installed", "taken"),
    [
        ("pretrain", {"smollm2", "minilm"}, "smollm2"),
        ("finetune", {"smollm2", "minilm"}, "minilm"),
        ("finetune", {"smollm2"}, "smollm2"),
    ],
)
def test_the_best_installed_base_is_taken_and_named(
    notes: Path, monkeypatch: pytest.MonkeyPatch,
    verb: str, installed: set[str], taken: str,
) -> None:  # fmt: skip
    monkeypatch.setattr("chartune.models.backbone.packaged", lambda row: row.name in installed or None)
    said: list[str] = []
    monkeypatch.setattr("chartune.cli.base_model.say", said.append)
    assert stage_of(verb, notes).backbone == Backbone(name=taken)
    assert "base model: " + taken in said[0]
    assert stage_of(verb, notes, "--set", "backbone.name=base").backbone == BASE
    assert len(said) == 1


@pytest.mark.parametrize(("verb", "installed"), [("pretrain", {"minilm"}), ("finetune", set())])
def test_the_toy_is_never_taken_unasked(
    notes: Path, monkeypatch: pytest.MonkeyPatch, verb: str, installed: set[str]
) -> None:
    assert not any("small-llama" in names for names in USUAL_BASES.values())
    monkeypatch.setattr("chartune.models.backbone.packaged", lambda row: row.name in installed or None)
    for words in ((verb,), ("plan", verb)):
        said = refused(*words, notes)
        assert all(
            word in " ".join(said.err.split()) for word in ("--base is missing", "pip install", "small-llama", "toy")
        )
    for stage in (Finetune, Pretrain):
        with pytest.raises(ConfigError, match="backbone: must be given: The base model to adapt"):
            stage.parse({"data": {"source": source_at(notes, None)}})


def test_a_stack_stands_on_the_base_of_its_clinical_adapter(
    notes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for verb in ((), ("plan",)):
        with monkeypatch.context() as patched:
            below = SimpleNamespace(stage={"backbone": {"name": "base"}})
            patched.setattr("chartune.cli.base_model.find_run", lambda store, name, run=below: run)
            assert stage_of(*verb, "finetune", notes, "--clinical", "below").backbone == BASE
    said = refused("finetune", notes, "--clinical", tmp_path, "--store", tmp_path / "store")
    assert "does not say where its base model is" in " ".join(said.err.split())
