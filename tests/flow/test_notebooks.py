"""The notebooks of the docs run from top to bottom, on a tiny base model, and hold no output."""

import ast
import re
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import chartune
from chartune.models.backbone import LocalBackbone
from chartune.runs.run import Run

NOTEBOOKS = Path(__file__).parents[2] / "docs" / "notebooks"


def executed(name: str, base: LocalBackbone, folder: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The names that a script of cells has made; `_shown`: what its cells end with, as a notebook shows it."""
    monkeypatch.chdir(folder)
    for variable, value in (("BASE", base.folder), ("EPOCHS", "0.2"), ("FOLDER", folder / "hospital")):
        monkeypatch.setenv(f"NOTEBOOK_{variable}", str(value))
    monkeypatch.delenv("CHARTUNE_STORE", raising=False)
    made: dict[str, Any] = {"_shown": []}
    text = (NOTEBOOKS / name).read_text("utf-8")
    for cell in re.split(r"^# %%.*$", text, flags=re.MULTILINE):
        lines = cell.strip().splitlines()
        last = lines[-1] if lines else ""
        shows = bool(re.match(r"[a-z_]+[.(]", last)) and not last.startswith("print")
        exec(compile("\n".join(lines[:-1] if shows else lines), name, "exec"), made)
        made["_shown"] += [eval(last, made)] if shows else []
    return made


def test_own_notes_go_from_a_frame_to_scores(
    bert: LocalBackbone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = executed("own_notes.py", bert, tmp_path, monkeypatch)
    head, scores, page, scored = made["_shown"]
    assert head.columns == ["mrn", "letter", "outcome"]
    assert set(scores["run"]) == {"TF-IDF + logistic regression", "letters"}
    assert "<iframe" in page._repr_html_()
    assert scored["id"].to_list() == ["L-1", "L-2"]
    assert set(scored["decision"]) <= {"readmitted", "not readmitted"}
    assert {path.name for path in tmp_path.iterdir()} == {"chartune-store"}


@pytest.mark.slow  # a hospital, three trainings
def test_a_mimic_folder_goes_to_a_stack_of_adapters(
    llama: LocalBackbone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = executed("mimic.py", llama, tmp_path, monkeypatch)
    stacked, clinical = made["stacked"], made["clinical"]
    assert isinstance(stacked, Run)
    assert stacked.parents == (clinical.fingerprint,)
    scores = made["_shown"][-2]
    assert isinstance(scores, pl.DataFrame)
    assert scores["run"].to_list() == ["TF-IDF + logistic regression", "LoRA", "clinical + LoRA"]
    assert "clinical + LoRA" in made["_shown"][-1].html


@pytest.mark.parametrize("file", sorted(NOTEBOOKS.iterdir()), ids=lambda file: file.name)
def test_a_notebook_is_a_script_of_cells_on_the_face_alone(file: Path) -> None:
    text = file.read_text("utf-8")
    imports = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.ImportFrom)]
    taken = {alias.name for node in imports if node.module == "chartune" for alias in node.names}
    assert taken <= set(chartune.__all__)
    assert {node.module for node in imports} <= {"chartune", "pathlib"}
    assert text.startswith("# %% [markdown]\n# # ")


def test_the_docs_link_to_every_notebook() -> None:
    page = (NOTEBOOKS.parent / "own-notes.md").read_text("utf-8")
    assert {file.name for file in NOTEBOOKS.iterdir()} == set(re.findall(r"notebooks/(\w+\.py)", page))
