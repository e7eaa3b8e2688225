"""The report in a real browser: it draws without complaint, and neither phone nor paper cuts anything off."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Final

import pytest

from chartune.report.render import report_of
from chartune.testing.past_runs import past_runs

CHROMIUM: Final = next(
    (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None
)

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="needs a headless Chromium on the PATH"),
]

PROBE: Final = """
<body style="margin:0">
<iframe id="phone" src="report.html" style="border:0;width:360px;height:800px"></iframe>
<script>
addEventListener("load", () => {
  const page = document.getElementById("phone").contentDocument;
  for (const fold of page.querySelectorAll("details")) fold.open = true;
  const boxed = e => e.closest(".scroll, pre, thead");
  const out = [...page.querySelectorAll("body *")].filter(e => !boxed(e) && e.getBoundingClientRect().right > 361);
  const kept = [...page.querySelectorAll(".flow, .strip, .panels, .tiles dd")];
  const cut = kept.filter(e => e.scrollWidth > e.clientWidth + 1);
  const last = [...page.querySelectorAll("section > details:last-child")];
  const ruled = last.filter(e => page.defaultView.getComputedStyle(e).borderBottomWidth !== "0px");
  document.title = [page.documentElement.scrollWidth, page.querySelectorAll("svg").length,
    page.body.innerText.length, out.length, cut.length, last.length, ruled.length].join(" ");
});
</script>
</body>"""


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("browser")
    store = past_runs(folder / "store")
    return report_of(store, None, folder / "report.html", "Which adapter for which price?")


def test_the_report_opens_without_an_error_on_the_console(report: Path) -> None:
    told = _chromium(report, "--enable-logging=stderr", "--v=0", "--dump-dom")
    assert "In-hospital mortality" in told.stdout
    said = [line for line in told.stderr.splitlines() if "CONSOLE" in line]
    assert [line for line in said if "source: chrome://" not in line] == []  # the browser's own pages speak, too


def test_a_phone_shows_the_whole_width_of_the_page_with_every_fold_open(report: Path) -> None:
    frame = report.with_name("phone.html")
    frame.write_text(PROBE)
    told = _chromium(frame, "--allow-file-access-from-files", "--dump-dom").stdout
    title = re.search(r"<title>([\d ]+)</title>", told)
    assert title is not None
    width, drawings, letters, outside, cut, last, ruled = map(int, title[1].split())
    assert width <= 360
    assert (outside, cut) == (0, 0)
    assert (last > 0, ruled) == (True, 0)  # the next section begins with a rule of its own
    assert drawings > 40
    assert letters > 10_000


def test_the_page_can_be_printed(report: Path) -> None:
    paper = report.with_name("report.pdf")
    _chromium(report, f"--print-to-pdf={paper}", "--no-pdf-header-footer")
    content = paper.read_bytes()
    assert content.startswith(b"%PDF")
    sizes = {tuple(round(float(x)) for x in box.split()[2:]) for box in re.findall(rb"/MediaBox ?\[([^]]+)\]", content)}
    assert sizes == {(595, 842)}  # A4 in points
    assert 16 < len(re.findall(rb"/Type ?/Page\b", content)) < 27  # what is folded is printed; no half-empty pages


def _chromium(page: Path, *flags: str) -> subprocess.CompletedProcess[str]:
    assert CHROMIUM is not None
    return subprocess.run(
        [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync", f"--user-data-dir={page.parent / 'profile'}", *flags,
         page.as_uri()],
        capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
