"""Prolonged ventilation: the name of a task tells each switch, so that variants stand in one dataset."""

import re
from itertools import product
from pathlib import Path
from typing import Any, get_args

import pytest

from chartune.errors import ConfigError
from chartune.tasks.prepare import Preparation
from chartune.tasks.prolonged_ventilation import ProlongedVentilation


def values(name: str) -> tuple[Any, ...]:
    """Some values of a switch, the usual one first."""
    field = ProlongedVentilation.model_fields[name]
    return tuple(dict.fromkeys((field.default, *get_args(field.annotation))))


_SHARED = ("kind", "stays", "reads", "allow_retrospective")
SWITCHES = {name: values(name) for name in ProlongedVentilation.model_fields if name not in _SHARED}
SWITCHES |= {"days": (7.0, 14.0, 6.5, 5.0), "base_days": (2.0, 1.0, 0.5)}


def test_the_name_tells_every_switch_that_is_not_as_usual() -> None:
    def name(**switched: Any) -> str:
        return ProlongedVentilation.parse(switched).name

    assert name() == "prolonged_ventilation"
    assert name(measure="longest") == "prolonged_ventilation_longest"
    assert name(cohort="in-hindsight", competing="negative") == "prolonged_ventilation_in_hindsight_negative"
    assert name(days=14, base_days=2.5, masks="counted") == "prolonged_ventilation_14d_after_2p5d_masks_counted"
    assert name(competing="left-out", exclusions="none") == "prolonged_ventilation_left_out_none_excluded"


def test_no_two_sets_of_switches_have_the_same_name() -> None:
    assert all(len(options) > 1 for options in SWITCHES.values())
    every = [dict(zip(SWITCHES, options, strict=True)) for options in product(*SWITCHES.values())]
    names = {ProlongedVentilation.model_construct(**switched).name for switched in every}
    assert len(names) == len(every) > 1000
    assert all(re.fullmatch(r"[a-z][a-z0-9_]*", name) for name in names)


def test_variants_that_differ_in_a_switch_stand_in_one_dataset(tmp_path: Path) -> None:
    variants = [{"kind": "prolonged-ventilation", **other} for other in ({}, {"masks": "counted"})]
    source = {"kind": "mimic4", "folder": str(tmp_path)}
    both = Preparation.parse({"source": source, "tasks": variants})
    assert [task.name for task in both.tasks] == ["prolonged_ventilation", "prolonged_ventilation_masks_counted"]
    with pytest.raises(ConfigError, match="every task must occur once"):
        Preparation.parse({"source": source, "tasks": [variants[0], variants[0]]})
