"""Tables and figures as files: the numbers of the page, LaTeX that balances, SVG that stands alone."""

import csv
import re
import xml.etree.ElementTree as ET
from html import unescape
from pathlib import Path

import pytest

from chartune.report.files import as_csv, slug
from chartune.report.latex import LONG, escaped, latex
from chartune.report.table import Cell, Column, Table
from chartune.testing import past_runs as past
from chartune.testing.attacked_tables import tables
from chartune.testing.command_line import chartune

NASTY = '50 % of #1 & {a_b} ~ ^ \\input{x} $x$ <3 | "q" − · → ≈ …'


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """The page of real patients, and the folder."""
    place = tmp_path_factory.mktemp("files")
    store = past.past_runs(place / "store", "mimic3")
    page, folder = place / "r.html", place / "tables"
    done = chartune("report", "--out", page, "--tables", folder, "--store", store.root)
    assert done.code == 0, done.err
    return page.read_text(), folder


def _index(folder: Path) -> dict[str, str]:
    with (folder / "index.csv").open(newline="") as file:
        return dict(list(csv.reader(file))[1:])


def test_every_table_of_the_page_is_a_csv_and_a_latex_file_with_its_numbers(written: tuple[str, Path]) -> None:
    page, folder = written
    index = _index(folder)
    assert {path.name for path in folder.iterdir()} == {*index, "index.csv"}
    by_caption = {what: name for name, what in index.items() if name.endswith(".csv")}
    shown = tables(re.sub(r'<details class="model-card">.*?</details>', "", page, flags=re.DOTALL))
    assert len(shown) > 15
    for caption, rows in shown.items():
        assert (folder / by_caption[caption]).with_suffix(".tex").is_file()
        with (folder / by_caption[caption]).open(newline="") as file:
            cells = list(csv.reader(file))[1:]
        for row, (_, *printed) in zip(cells, rows, strict=False):
            assert len(row) >= len(printed)
        told = {cell for row in cells for cell in row}
        wanted = {text.replace("−", "-") for row in rows[1:] for text, _ in row}
        assert wanted <= told


def test_every_figure_is_an_svg_that_stands_alone(written: tuple[str, Path]) -> None:
    page, folder = written
    figures = sorted(folder.glob("*.svg"))
    on_page = page.count("aria-labelledby=")
    assert len(figures) == on_page + 2 + 3  # two forest plots and three flows, which the page builds of text
    for figure in figures:
        text = figure.read_text()
        root = ET.fromstring(text)
        assert root.tag == "{http://www.w3.org/2000/svg}svg"
        assert "var(--" not in text
        assert "url(http" not in text
        assert root.find("{http://www.w3.org/2000/svg}title") is not None
        assert root.find("{http://www.w3.org/2000/svg}style") is not None
        assert root.attrib["width"].endswith("in")
        ids = re.findall(r'\bid="([^"]+)"', text)
        assert len(ids) == len(set(ids))


def test_every_latex_file_balances_and_has_as_many_cells_as_columns(written: tuple[str, Path]) -> None:
    files = sorted(written[1].glob("*.tex"))
    assert files
    for file in files:
        _check_latex(file.read_text())


def _check_latex(text: str) -> None:
    """As a parser would: environments and braces balance, rows have their cells, no sign is a stray command."""
    opened: list[str] = []
    for kind, name in re.findall(r"\\(begin|end)\{(\w+)\}", text):
        if kind == "begin":
            opened.append(name)
        else:
            assert opened.pop() == name
    assert not opened
    bare = re.sub(r"\\[\\{}&%$#_]", "", re.sub(r"\\\\$", "", text, flags=re.MULTILINE))
    assert bare.count("{") == bare.count("}")
    assert bare.count("$") % 2 == 0
    body = bare.partition("\n")[2]
    assert not re.search(r"[#%~^_](?![^$]*\$\s)", body.replace("~", " "))
    columns = re.search(r"\\begin\{(?:tabular|longtable)\}\{([lr]+)\}", text)
    assert columns
    rows = [line for line in text.splitlines() if line.endswith(r"\\") and not line.startswith(r"\caption")]
    assert rows
    for row in rows:
        assert len(re.findall(r"(?<!\\)&", row)) == len(columns[1]) - 1
    assert [text.count(rule) for rule in (r"\toprule", r"\midrule", r"\bottomrule")] == [1, 1, 1]


def test_words_of_a_user_are_no_latex_commands() -> None:
    table = Table(NASTY, (Column(NASTY, NASTY, numeric=False), Column("b")), ((Cell(NASTY, "a\nb"), Cell("1")),), NASTY)
    _check_latex(latex(table, "tab:x"))
    assert r"\input{x}" not in latex(table, "tab:x")
    assert escaped("a_b & 5 %") == r"a\_b \& 5 \%"
    long = Table("Long", table.columns, table.rows * (LONG + 1))
    assert r"\begin{longtable}{lr}" in latex(long, "tab:l")
    _check_latex(latex(long, "tab:l"))


def test_a_detail_has_a_column_of_its_own_and_no_cell_is_a_formula() -> None:
    table = Table("T", (Column("A", "what", numeric=False), Column("B")), (
        (Cell("=cmd()", "0.1 to 0.2"), Cell("−0.5")), (Cell("-x", ""), Cell("+0.25")), (Cell("", ""), Cell("–")),
    ))  # fmt: skip
    assert as_csv(table) == "A,A: what,B\n'=cmd(),0.1 to 0.2,-0.5\n'-x,,+0.25\n,,–\n"


def test_names_of_files_are_plain_and_unique(written: tuple[str, Path]) -> None:
    assert slug("Ätiologie: a/b <c>") == "atiologie-a-b-c"
    assert slug("…") == "exhibit"
    assert all(re.fullmatch(r"\d\d\d?-[a-z0-9-]+\.(csv|tex|svg)", name) for name in _index(written[1]))


def test_a_folder_that_is_taken_is_refused_and_nothing_is_written_into_it(tmp_path: Path) -> None:
    store = past.two_runs(tmp_path / "store")
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "mine").write_text("x")
    done = chartune("report", "--out", tmp_path / "r.html", "--tables", tmp_path / "taken", "--store", store.root)
    assert done.code == 2
    assert "--tables" in done.err
    assert [path.name for path in (tmp_path / "taken").iterdir()] == ["mine"]
    assert not (tmp_path / "r.html").exists()


def test_a_checklist_links_to_sections_that_are_there_and_names_what_is_for_the_authors(
    written: tuple[str, Path],
) -> None:
    page = written[0]
    section = page[page.index('<section id="checklists">') : page.index('<section id="provenance">')]
    assert "TRIPOD+AI" in section
    assert "TRIPOD-LLM" in section
    ids = set(re.findall(r'id="([\w-]+)"', page))
    links = re.findall(r'href="#([\w-]+)"', section)
    assert set(links) <= ids
    assert {"data", "outcome-1", "outcome-2", "cost", "notes", "provenance", "hyperparameters"} <= set(links)
    numbers = re.findall(r"<th scope=row>(\d+[a-g]?)</th>", section)
    assert len(numbers) == 52 + 19
    assert list(dict.fromkeys(int(number.rstrip("abcdefg")) for number in numbers[:52])) == list(range(1, 28))
    ethics = re.search(r"<th scope=row>17</th><td>.*?</td>\s*<td>(.*?)</td>", section)
    assert ethics is not None
    assert unescape(ethics[1]) == "for the authors"
