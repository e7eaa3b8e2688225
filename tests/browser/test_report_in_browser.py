"""The report in a real browser: it draws without complaint, and a phone need not scroll sideways."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Final

import pytest

from chartune.report import report_of
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
<iframe id="phone" src="report.html" style="border:0;width:390px;height:800px"></iframe>
<script>
addEventListener("load", () => {
  const page = document.getElementById("phone").contentDocument;
  const drawings = page.querySelectorAll("svg").length;
  document.title = [page.documentElement.scrollWidth, drawings, page.body.innerText.length].join(" ");
});
</script>
</body>"""


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("browser")
    store = past_runs(folder / "store")
    return report_of(store, None, folder / "report.html", "Which adapter for which price?")


def test_the_report_opens_without_an_error_on_the_console(report: Path) -> None:
    told = _chromium(report, "--enable-logging=stderr", "--v=0")
    assert "In-hospital mortality" in told.stdout
    assert "CONSOLE" not in told.stderr


def test_a_phone_shows_the_whole_width_of_the_page(report: Path) -> None:
    frame = report.with_name("phone.html")
    frame.write_text(PROBE)
    title = re.search(r"<title>(\d+) (\d+) (\d+)</title>", _chromium(frame, "--allow-file-access-from-files").stdout)
    assert title is not None
    width, drawings, letters = map(int, title.groups())
    assert width <= 390
    assert drawings == 4
    assert letters > 1000


def _chromium(page: Path, *flags: str) -> subprocess.CompletedProcess[str]:
    assert CHROMIUM is not None
    return subprocess.run(
        [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync", f"--user-data-dir={page.parent / 'profile'}", *flags,
         "--dump-dom", page.as_uri()],
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
