"""Flags become a stage: a preset says what the defaults are, whatever the order of the assignments."""

from pathlib import Path

from chartune.cli.options import overridden
from chartune.stages.finetune import Finetune


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
