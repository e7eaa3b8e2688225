"""Tables 3 and 4 of Gema et al. from raw files to the report: all rows and tasks, twins and two made-up hospitals."""

import gc
import html
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from chartune.config import read_yaml
from chartune.made_up import make_hospital
from chartune.published import outcome_rows
from chartune.runs.run import Run
from chartune.store import Store
from chartune.studies.conduct import Conducted, conduct
from chartune.studies.profiles import profiled
from chartune.studies.report import study_report
from chartune.studies.study import Study
from chartune.testing.command_line import chartune
from chartune.testing.twins import make_twin

pytestmark = pytest.mark.slow
RECIPES = Path(__file__).parents[2] / "recipes" / "gema2023"
BASES = ("llama-7b", "pmc-llama-7b", "bluebert", "umlsbert", "bio-clinicalbert", "core-clinical")
SEARCHED = "llama_lora"
"""The stage whose space is searched by more than one trial."""
ROWS = {"table3": 16 + 5, "table4": 8 + 1 + 1 + 5}
"""Those of the paper, CORe's own recipe and five baselines."""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("tables")
    make_hospital(root / "three", subjects=400, seed=0)
    make_hospital(root / "four", layout="mimic4", subjects=300, seed=1, events=False)
    for seed, name in enumerate(BASES):
        make_twin("llama" if "llama" in name else "bert", root / name, seed=seed)
    return root


def small(table: str, profile: str | None, place: Path) -> Study:
    """The recipe with twins in place of its bases, made-up hospitals, two steps of training, and one real search."""
    written: dict[str, Any] = profiled(read_yaml(RECIPES / f"{table}.yaml"), profile)
    written["data"]["source"]["folder"] = str(place / "three")
    written["shared"]["pretrain"]["data"]["source"]["folder"] = str(place / "four")
    written["search"]["trials"] = 2
    for name, stage in written["stages"].items():
        if stage.get("space") and name != SEARCHED:
            stage["trials"] = 1
    for fields in (written["shared"]["pretrain"], written["shared"]["finetune"], *written["stages"].values()):
        if "backbone" in fields:
            fields["backbone"] = {"name": str(place / fields["backbone"]["name"])}
        if "max_seq_len" in fields:
            fields |= {"max_seq_len": 32, "numerics": {"precision": "fp32"}}
        if "optimisation" in fields:
            fields["optimisation"]["duration"] = {"value": 2, "unit": "steps"}
    return Study.parse(written)


@contextmanager
def hurried() -> Iterator[None]:
    """Runs of a second each: without plans, waiting for the disk, and collecting the garbage of all tests each time."""
    gc.collect()
    gc.freeze()
    with patch("chartune.runner._planned", lambda *_: {}), patch("os.fsync", lambda _: None):
        yield
    gc.unfreeze()


@pytest.fixture(scope="module", params=[("table3", None), ("table4", "as-coded")], ids=["table 3", "table 4, as coded"])
def done(request: pytest.FixtureRequest, place: Path) -> tuple[str, str | None, Conducted, str]:
    table, profile = request.param
    study, store = small(table, profile, place), Store(place / "store").open()
    with hurried():
        conducted = conduct(study, store)
    out = place / f"{table}.html"
    study_report(study, store, conducted.runs, conducted.listed, out, conducted.searches, conducted.claims)
    return table, profile, conducted, html.unescape(re.sub("<[^>]+>", " ", out.read_text()))


def test_every_row_and_every_task_has_a_run(done: tuple[str, str | None, Conducted, str]) -> None:
    table, _, conducted, _ = done
    assert conducted.gaps == ()
    runs = [run for run in conducted.runs if run.task]
    assert len(runs) == 5 * ROWS[table]
    assert all(run.final for run in runs)


def test_the_report_has_claims_and_printed_rows_beside_ours(done: tuple[str, str | None, Conducted, str]) -> None:
    table, profile, conducted, page = done
    assert len(conducted.claims) == {"table3": 7 * 5 + 2, "table4": 5 * 5 + 1}[table]
    assert "Tables 3 and 4 of Gema et al. (2023), and ours" in page
    assert all(row.model in page for row in outcome_rows())
    assert ("as coded" in page) == (profile == "as-coded")


def test_the_idle_layer_is_called_inactive(done: tuple[str, str | None, Conducted, str]) -> None:
    _, profile, conducted, page = done
    states = {layer.state for run in conducted.runs for layer in run.stack}
    assert ("inactive" in states) == (profile == "as-coded")
    assert ("Such a row measures the layers below it" in page) == (profile == "as-coded")


def test_data_of_stage_one_are_another_hospital(done: tuple[str, str | None, Conducted, str]) -> None:
    stages: dict[bool, set[str | None]] = {True: set(), False: set()}
    run: Run
    for run in done[2].runs:
        stages[run.task is None].add(run.data)
    assert [len(data) for data in stages.values()] == [1, 1]
    assert stages[True].isdisjoint(stages[False])


@pytest.mark.parametrize(("table", "counts"), [
    ("table3", {"llama": 8_194, "llama_lora": 1_056_770, "llama_frozen": 8_194, "llama_frozen_downstream": 1_056_770,
                "llama_trainable": 8_396_802, "pmc_clinical": 2_097_152, "bluebert": 108_893_186}),
    ("table4", {"bluebert_lora": 75_266, "core_lora": 75_266, "core_recipe": 107_721_218, "bluebert_probe": 1_538}),
])  # fmt: skip
def test_every_cell_is_planned_without_weights_and_without_data(
    table: str, counts: dict[str, int], tmp_path: Path
) -> None:
    said = chartune("study", "plan", RECIPES / f"{table}.yaml", "--json", "--store", tmp_path / "store")
    assert said.code in (0, 5), said.err  # whether they fit is another question
    cells = {cell["cell"]: cell for cell in json.loads(said.out)["cells"]}
    assert [title for title, cell in cells.items() if not cell["planned"]] == []
    learnt = {title.partition(" ")[0]: cell["trainable_parameters"] for title, cell in cells.items()
              if "task=mortality" in title or "task" not in title}  # fmt: skip
    assert {stage: learnt[stage] for stage in counts} == counts
