"""Words for fields: what people type leads to the field that they mean, or is refused with what there is."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from chartune.cli.options import overridden
from chartune.config import Config
from chartune.config_errors import _ELSEWHERE
from chartune.config_fields import REQUIRED, settable
from chartune.errors import ConfigError
from chartune.mapping import value_at
from chartune.stages.catalog import stages
from chartune.stages.ensemble import Ensemble
from chartune.stages.evaluating import Evaluate
from chartune.stages.finetune import Finetune
from chartune.stages.pretrain import Pretrain
from chartune.stages.prior import Prior
from chartune.stages.tfidf import Tfidf
from chartune.tasks.prepare import Preparation
from chartune.testing.command_line import chartune

TABLE: dict[str, Any] = {"kind": "tabular", "file": "notes.csv"}
BASED: dict[str, Any] = {"backbone": {"name": "base"}, "data": {"source": TABLE}}
FLAGS = {"seed": 3, "epochs": 0.5, "lr": 1e-3, "batch_size": 4, "max_length": 64, "rank": 2}


def asked(config: type[Config], *sets: str, flags: dict[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
    """What a stage is asked for, every field of it."""
    data = (
        {"source": TABLE}
        if config is Preparation
        else BASED
        if "backbone" in config.model_fields
        else {"data": BASED["data"]}
    )
    return config.parse(overridden({**data, **fields}, list(sets), config, flags or {})).model_dump(mode="json")


def stack(*kinds: str) -> dict[str, Any]:
    """A frozen layer, and fresh ones of these methods."""
    fresh = [{"kind": "fresh", "method": {"kind": kind}} for kind in kinds]
    return {"layers": [{"kind": "frozen", "adapter": "below"}, *fresh]}


@pytest.mark.parametrize(
    ("config", "layer", "fields"),
    [
        (Finetune, "stack.layers.0.method", {}),
        (Finetune, "stack.layers.1.method", {"stack": stack("lora")}),
        (Pretrain, "method", {}),
    ],
)
def test_flags_and_words_set_the_fields_that_they_name(
    config: type[Config], layer: str, fields: dict[str, Any]
) -> None:
    by_flag = asked(config, flags=FLAGS, **fields)
    rows = {
        "seed": 3, "optimisation.duration": {"value": 0.5, "unit": "epochs"}, "optimisation.learning_rate": 1e-3,
        "optimisation.batch_size": 4, "max_seq_len": 64, f"{layer}.rank": 2, f"{layer}.alpha": 32.0,
    }  # fmt: skip
    assert {path: value_at(by_flag, path) for path in rows} == rows
    assert asked(config, *(f"{word}={value}" for word, value in FLAGS.items()), **fields) == by_flag
    assert value_at(asked(config, "steps=7", **fields), "optimisation.duration") == {"value": 7.0, "unit": "steps"}
    assert value_at(asked(config, "method.kind=ia3", **fields), layer)["kind"] == "ia3"


@pytest.mark.parametrize(
    ("config", "flag", "fields", "expected"),
    [
        (Finetune, "rank", {"stack": {"layers": stack("full")["layers"][1:]}}, "full has no rank"),
        (Finetune, "rank", {"stack": {"layers": []}}, "trains no fresh layer"),
        (Finetune, "rank", {"stack": stack("lora", "lora")}, "or several"),
        (Pretrain, "rank", {"method": {"kind": "prefix"}}, "prefix has no rank"),
        (Finetune, "lr", {"stack": {"layers": []}}, r"the head learns alone; set its own \(--set head_learning_rate"),
        (Finetune, "lr", {"stack": stack()}, "the head learns alone"),
        *((Tfidf, flag, {}, f"--{flag.replace('_', '-')} must set a field of the stage") for flag in
          ("epochs", "lr", "batch_size", "max_length", "rank")),
    ],
)  # fmt: skip
def test_a_flag_that_says_nothing_of_the_stage_is_refused(
    config: type[Config], flag: str, fields: dict[str, Any], expected: str
) -> None:
    with pytest.raises(ConfigError, match=expected):
        asked(config, flags={flag: FLAGS[flag]}, **fields)


def test_a_field_is_stated_once() -> None:
    for assignment in ("lr=2", "optimisation.learning_rate=2"):
        with pytest.raises(ConfigError, match=r"`optimisation.learning_rate` is set by a flag and by --set"):
            asked(Pretrain, assignment, flags={"lr": 1e-3})


def test_fields_of_the_data_go_with_and_without_data_before_them() -> None:
    for config, at in ((Finetune, "data."), (Tfidf, "data."), (Preparation, "")):
        for spelling in ("source.text=note", "data.source.text=note"):
            assert value_at(asked(config, spelling), f"{at}source.text") == "note"
        assert value_at(asked(config, "preset=paper-code"), f"{at}preset") == "paper-code"
    data = overridden({"run": "x", "data": {"source": TABLE}}, ["source.text=note"], Evaluate)
    assert value_at(data, "data.source.text") == "note"


@pytest.mark.parametrize(
    ("config", "assignment", "meant"),
    [
        (Finetune, "learning_rat=1", "optimisation.learning_rate"),
        (Finetune, "optimisation.learning_rat=1", "learning_rate"),
        (Finetune, "warmup_fractio=1", "optimisation.warmup_fraction"),
        (Pretrain, "targetz=attention", "method.targets"),
        (Finetune, "max_seqlen=9", "max_seq_len"),
        (Finetune, "num_train_epochs=1", "optimisation.duration"),
        (Finetune, "bs=1", "optimisation.batch_size"),
        (Pretrain, "bf16=true", "numerics.precision"),
        (Finetune, "model=minilm", "backbone.name"),
    ],
)
def test_a_slip_is_answered_with_the_path_of_the_field_that_is_like_it(
    config: type[Config], assignment: str, meant: str
) -> None:
    with pytest.raises(ConfigError, match=f"Did you mean `{meant}`"):
        asked(config, assignment)


def test_names_of_other_libraries_lead_to_fields_that_are_there() -> None:
    for path in _ELSEWHERE:
        listed = {row.path for row in settable(Finetune, ("data",))}
        assert any(f"{name}.".startswith(f"{path}.") for name in listed), path
    with pytest.raises(ConfigError, match=r"^not a Tfidf:\nbs: not a field, got 1\.$"):
        asked(Tfidf, "bs=1")  # it has none


@pytest.mark.parametrize("kind", [*stages, "prepare"])
def test_every_field_is_listed_with_what_it_takes_and_what_it_is(kind: str) -> None:
    said = chartune("fields", kind, "--json")
    assert said.code == 0, said.err
    rows = json.loads(said.out)["fields"]
    assert all(row["takes"] and row["default"] and row["about"] for row in rows)
    assert len({(row["path"], row["where"]) for row in rows}) == len(rows)
    assert all(row["path"] in (page := chartune("fields", kind).out) and row["about"] in page for row in rows[:1])


@pytest.mark.parametrize("config", stages.values())
def test_what_is_listed_as_default_is_what_the_stage_has(config: type[Config]) -> None:
    few = config in (Prior, Ensemble)
    whole = asked(config, members=["a", "b"]) if config is Ensemble else asked(config)
    listed = [row for row in settable(config, ("data",)) if row.where in ("", "fresh", "lora", "fresh lora")]
    known = {row.path: yaml.safe_load(row.default) for row in listed if row.default != REQUIRED}
    known.pop("length.max_seq_len", None)  # by default there is no `length`
    assert len(known) > (3 if few else 5)
    assert known == {path: [x["kind"] for x in v] if path == "stack.layers" else v
                     for path in known for v in [value_at(whole, path)]}  # fmt: skip


def test_a_stage_that_nobody_knows_has_no_fields(tmp_path: Path) -> None:
    said = chartune("fields", "finetun")
    known = "pretrain, finetune, tfidf, structured, prior, ensemble, prompted, prepare"
    assert (said.code, known in " ".join(said.err.split())) == (2, True)
