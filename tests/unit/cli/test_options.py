"""Flags become a stage: a preset says what the defaults are, whatever the order of the assignments."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from chartune.cli.options import named_path, overridden
from chartune.cli.predict import _said
from chartune.cli.study_file import asked_study
from chartune.errors import ConfigError
from chartune.sources.mimic4 import Mimic4
from chartune.sources.tabular import Tabular
from chartune.stages.finetune import Finetune
from chartune.testing.command_line import chartune


def test_a_preset_is_applied_before_the_defaults_are_filled_in(tmp_path: Path) -> None:
    asked = {
        "kind": "finetune",
        "backbone": {"name": "b"},
        "data": {"source": {"kind": "mimic3", "folder": str(tmp_path)}},
    }
    data = overridden(asked, ["max_seq_len=64", "data.preset=paper-code"], Finetune)
    assert data["max_seq_len"] == 64
    assert data["data"]["preset"] == "paper-code"
    assert data["data"]["tasks"][0]["reads"]["sections"] == "core"
    assert overridden(asked, ["max_seq_len=64"], Finetune)["data"]["tasks"][0]["reads"]["sections"] == "chartune"


@pytest.mark.parametrize("words", [("predict", "mine"), ("check",), ("prepare",)])
def test_a_path_that_may_not_be_looked_at_is_refused_by_every_verb(tmp_path: Path, words: tuple[str, ...]) -> None:
    folder = tmp_path / ("long" * 100)  # as a folder of another user for one who is not root
    with pytest.raises(ConfigError, match="this user may look at"):
        named_path(str(folder / "notes.csv"))
    refused = chartune(*words, folder / "notes.csv", "--store", tmp_path / "store")
    assert (refused.code, "this user may look at" in " ".join(refused.err.split())) == (2, True)


def test_a_study_given_other_data_keeps_what_its_file_says_of_that_kind_but_no_path(tmp_path: Path) -> None:
    study, table = tmp_path / "study.yaml", tmp_path / "other.jsonl"
    table.write_text('{"note": "a cough"}\n', encoding="utf-8")
    source = "{kind: tabular, file: here.csv, text: note, subject: null, label: diagnosis, labels: labels.csv}"
    study.write_text(f"title: t\ndata: {{source: {source}}}\nstages: {{a: {{kind: tfidf}}}}\n", encoding="utf-8")
    data = asked_study(study, table, None, None, None).data.source
    assert isinstance(data, Tabular)
    assert (data.file, data.text, data.subject, data.label, data.labels) == (table, "note", None, "diagnosis", None)
    other = asked_study(study, tmp_path, "mimic4", None, None).data.source  # of another kind nothing is kept
    assert other == Mimic4(folder=tmp_path)


@pytest.mark.parametrize(("precision", "measured"), [("bf16", True), ("fp16", False), ("fp32", None), (None, None)])
def test_how_far_a_batch_moves_a_score_is_said_in_the_precision_in_which_it_was_measured(
    precision: str | None, measured: bool | None
) -> None:
    scorer: Any = SimpleNamespace(numerics={"precision": precision})
    said = _said(scorer, None)
    assert [f"computed in {precision}," in line for line in said] == [True] * (measured is not None)
    assert ["some 0.002" in line for line in said] == [measured] * (measured is not None)
