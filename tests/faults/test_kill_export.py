"""An export that is ended while it writes patients' text: by SIGTERM it cleans up, after SIGKILL the next call does."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from chartune.outputs import OUTGOING, write_output
from chartune.store import Store
from chartune.testing.command_line import chartune, wait_until
from chartune.writing import ASIDE

SLOW = """
import time
from chartune.outputs import new_folder
from pathlib import Path
import sys
import typer
from chartune import cli

def slow() -> None:
    with new_folder(Path(sys.argv[-2]), "--to", Path(sys.argv[-1])) as folder:
        (folder / "text").write_text("of a patient")
        time.sleep(60)

cli.app.command("slow", context_settings={"allow_extra_args": True, "ignore_unknown_options": True})(slow)
cli.main()
"""


@pytest.mark.parametrize("ended", [signal.SIGTERM, signal.SIGKILL])
def test_an_export_that_is_ended_leaves_no_text_outside_the_store(
    store: Store, tmp_path: Path, ended: signal.Signals
) -> None:
    far = tmp_path / "far"
    process = subprocess.Popen(
        [sys.executable, "-c", SLOW, "slow", str(far / "out"), str(store.root)], text=True, stderr=subprocess.PIPE
    )
    wait_until(lambda: any(far.glob(f"{ASIDE}*/folder/text")), process)
    process.send_signal(ended)
    process.communicate(timeout=120)
    if ended is signal.SIGTERM:
        assert process.returncode == 143
    else:
        assert list(far.iterdir())
        assert chartune("report", "--store", store.root).code == 2  # any verb that opens the store to write
    assert list(far.iterdir()) == []
    assert list((store.root / OUTGOING).iterdir()) == []


HANGING = """
import os, sys, time
from pathlib import Path
from chartune.outputs import write_output

os.replace = lambda *_: time.sleep(60)
write_output(Path(sys.argv[1]), b"a page")
"""


def test_a_report_that_is_killed_before_it_has_its_name_leaves_nothing_after_the_next(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", HANGING, str(tmp_path / "report.html")], text=True, stderr=subprocess.PIPE
    )
    wait_until(lambda: any(tmp_path.glob(f"{ASIDE}*/file")), process)
    process.kill()
    process.communicate(timeout=120)
    assert list(tmp_path.iterdir())
    write_output(tmp_path / "report.html", b"the next")
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]
