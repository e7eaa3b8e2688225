"""Page: a report in memory, for notebooks and scripts.

run.report() ─▶ Page: shown inline in a frame of its own, written by `.save("report.html")`
"""

from dataclasses import dataclass
from html import escape
from pathlib import Path

from chartune.outputs import must_be_a_file, write_output
from chartune.report.render import page_of, rendered
from chartune.runs.run import SHELF, Run
from chartune.store import Store


@dataclass(frozen=True)
class Page:
    """A report: one HTML page without scripts, fonts or links to elsewhere."""

    title: str
    html: str

    def _repr_html_(self) -> str:
        """For notebooks: in a frame, so that the page's styles stay within it."""
        return (
            f'<iframe title="{escape(self.title)}" srcdoc="{escape(self.html)}" '
            f'style="width:100%;height:80vh;border:0"></iframe>'
        )

    def __repr__(self) -> str:
        return f"Page({self.title!r}, {len(self.html):,} characters; .save(path) writes it)"

    def save(self, path: Path | str) -> Path:
        """Write it as one HTML file, for its owner alone.

        Raises:
            ConfigError: the path is that of a folder, a device or a pipe.
            StoreError: it cannot be written.
        """
        must_be_a_file(out := Path(path))
        write_output(out, self.html.encode())
        return out


def page_of_runs(runs: tuple[Run, ...], title: str = "") -> Page:
    """The report of some runs of one store, and of those that they descend from.

    Args:
        runs: finished, one or more.
        title: the page's heading; empty: the name of the first run.

    Raises:
        StoreError: they are damaged.
    """
    headed, folder = title or runs[0].name, runs[0].path.parent
    if folder.name == SHELF:
        return Page(headed, page_of(Store(folder.parent), runs, headed))
    return Page(headed, rendered(runs, title=headed, datasets={}))  # a copy: nobody knows its data
