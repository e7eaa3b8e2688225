"""The demo: from raw chart files to a report, on a made-up hospital whose truth is known.

hospital ─▶ prepare ─▶ base ─▶ pretrain ─▶ finetune ─▶ report      on a real LLaMA: demo.yaml, else demo_small.yaml
"""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any, Final, Literal

import yaml

from chartune.config import override
from chartune.log import say
from chartune.made_up import make_hospital
from chartune.models.backbone import is_installed
from chartune.models.catalog import catalog
from chartune.models.precision import Precision
from chartune.report.render import report_of
from chartune.runs.run import Run
from chartune.store import Store
from chartune.studies.conduct import Gap, Means, conduct
from chartune.studies.study import Study

Base = Literal["smollm2", "small-llama"]
"""What the demo can run on."""
FILES: Final[dict[Base, str]] = {"smollm2": "demo.yaml", "small-llama": "demo_small.yaml"}
SUBJECTS: Final[dict[Base, int]] = {"smollm2": 400, "small-llama": 1200}
"""Patients of the made-up hospital where nobody says how many: what some minutes of two cores read."""


@dataclass(frozen=True)
class Demo:
    """What the demo leaves."""

    report: Path
    """The HTML file."""
    runs: tuple[Run, ...]
    """In the order of the report."""
    gaps: tuple[Gap, ...]
    """Stages that could not be done."""


def demo(
    out: Path,
    *,
    base: Base | None = None,
    subjects: int | None = None,
    seed: int = 0,
    seeds: int = 1,
    precision: Precision = "auto",
    sets: Sequence[str] = (),
) -> Demo:
    """Run the whole chain into a folder; what is there already is found, not done again.

    Args:
        out: gets `hospital/`, `store/` and `report.html`.
        base: the base model; None: SmolLM2 where its package is installed, else the small LLaMA.
        subjects: patients of the made-up hospital; None: as many as go with the base.
        seed: of the hospital, and the first of the runs.
        seeds: how many seeds every variant is trained with.
        precision: of the matrix products.
        sets: fields of the study to change, as `path=value`.

    Raises:
        ConfigError: the base is not installed, or a field is none.
    """
    base = base or _installed()
    store = Store(out / "store").open()
    make_hospital(out / "hospital", layout="mimic3", subjects=subjects or SUBJECTS[base], seed=seed, events=False)
    study = demo_study(out / "hospital", range(seed, seed + seeds), base, precision, sets)
    conducted = conduct(study, store, means=Means(retry_failed=True))
    report = report_of(store, conducted.runs, out / "report.html", study.title)
    return Demo(report, conducted.runs, conducted.gaps)


def demo_study(
    hospital: Path, seeds: range, base: Base, precision: Precision = "auto", sets: Sequence[str] = ()
) -> Study:
    """The demo's study of a base model on a hospital."""
    file = FILES[base]
    asked: dict[str, Any] = yaml.safe_load(files("chartune.studies").joinpath(file).read_text(encoding="utf-8"))
    asked["data"]["source"]["folder"] = str(hospital)
    for fields in asked["shared"].values():
        fields["numerics"] = {"precision": precision}
    for stage in asked["stages"].values():
        if "seed" in stage.get("grid", {}):
            stage["grid"]["seed"] = list(seeds)
    return Study.parse(override(asked, sets), file)


def _installed() -> Base:
    """SmolLM2 if its package is there."""
    if is_installed(catalog["smollm2"]):
        return "smollm2"
    say(
        f"SmolLM2 is not installed ({catalog['smollm2'].install}, and gguf): the demo runs on small-llama, a toy that "
        f"chartune pretrains itself"
    )
    return "small-llama"
