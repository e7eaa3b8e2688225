"""`chartune watch`: the curves of a run in the terminal, while it goes on or when it has ended."""

import sys
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Annotated, Any, Final

import typer
from rich.console import Console
from rich.live import Live
from rich.text import Text

from chartune.cli.figures import ExactOption
from chartune.cli.options import DEFAULT_STORE, JsonOption, StoreOption, emit
from chartune.cli.picture import bar, drawn
from chartune.disclosure import RELEASE, figures
from chartune.log import MACHINE, Event
from chartune.quantities import human_bytes, human_seconds
from chartune.report.followed import PEAK, RATE, in_order, released_events
from chartune.runs.begun import Begun, begun, not_ended
from chartune.store import Store
from chartune.tasks.dataset import gone, read_dataset

EVERY: Final = (2.0, 30.0)
"""Seconds between two pictures: at a terminal, and elsewhere."""
Curve = list[tuple[int, float]]


@dataclass(frozen=True)
class View:
    """A run as it may be shown."""

    run: Begun
    curves: dict[str, Curve]
    """Title → place and value; the place is an optimizer step, of real patients the percentage of the training."""
    axis: str
    """Unit of the places."""
    share: float
    """Of the planned steps that are done."""
    rate: float | None
    peak: float | None
    release: dict[str, Any]
    """Whether the figures are exact, and may be released."""

    def to_json(self) -> dict[str, Any]:
        """For a script."""
        return {
            **self.release, "run": self.run.fingerprint, "name": self.run.name, "kind": self.run.about.kind,
            "state": self.run.state, "share": round(self.share, 2), "axis": self.axis, "curves": self.curves,
            "tokens_per_second": self.rate, "peak_bytes": self.peak, "seconds_left": self.run.seconds_left(),
        }  # fmt: skip

    def text(self) -> str:
        """For a person: plain characters."""
        run = self.run
        lines = [
            f"{run.name}  ({run.about.kind} {run.fingerprint})",
            f"{bar(self.share)} {self.share:.0%}  {_state(run)}",
        ]
        lines += [RELEASE] if self.release["do_not_release"] else []
        for title, curve in self.curves.items():
            places, values = zip(*curve, strict=True)
            span = f"from {places[0]} to {places[-1]} {self.axis}"
            lines += ["", *drawn(f"{title} {span}, last {values[-1]:.4g}", places, values)]
        rate = f"{self.rate:,.0f} tokens/s" if self.rate is not None else "rate not measured"
        left = run.seconds_left()
        lines += ["", f"{rate}, peak memory {human_bytes(self.peak)}"]
        lines[-1] += f", {human_seconds(left)} left" if left is not None else ""
        return "\n".join(lines if self.curves else [*lines[:-2], "no curve to show yet", *lines[-2:]])


def command(
    run: Annotated[str, typer.Argument(help="A run: fingerprint, its prefix, or its name; it need not have ended.")],
    once: Annotated[bool, typer.Option("--once", help="Print one picture and end.")] = False,
    every: Annotated[
        float | None,
        typer.Option("--every", min=0.1, metavar="SECONDS", help="Between two pictures. Default: 2; 30 in a log."),
    ] = None,
    store: StoreOption = DEFAULT_STORE,
    exact_counts: ExactOption = False,
    as_json: JsonOption = False,
) -> None:
    """Watch the curves of a run: training loss, validation scores, rate, memory and time left.

    Ends with the run; Ctrl-C ends the watching, not the run. Without a terminal a picture is printed every 30 seconds.
    """
    opened = Store(store)
    first = view(opened, run, exact_counts)
    if once or as_json or first.run.state != "running":
        emit(first.to_json(), as_json, first.text())
        return
    try:
        follow(lambda: view(opened, first.run.fingerprint, exact_counts), every, sys.stdout.isatty())
    except KeyboardInterrupt:
        typer.echo("the run goes on")


def view(store: Store, reference: str, exact: bool) -> View:
    """A run as it stands and as it may be shown."""
    run = begun(store, reference)
    data = store.find("data", run.about.data) if run.about.data else None
    dataset = read_dataset(data) if data else None
    released = released_events(run.about, dataset, exact=exact)
    events = in_order(run.events)
    shown = [event for each in events if (event := released.event(each)) is not None]
    last = max((event.step / event.planned for event in events), default=0.0)
    axis = "optimizer steps" if released.exact else "% of the training"
    source = (dataset or gone(run.about.source)).source
    rate, peak = (next((e.value for e in reversed(shown) if e.name == name), None) for name in (RATE, PEAK))
    return View(run, _curves(shown), axis, min(1.0, last), rate, peak, figures(source, exact))


def follow(look: Callable[[], View], every: float | None, terminal: bool) -> None:
    """Show a run until it does not run any more: in place on a terminal, elsewhere one picture after the other.

    Args:
        look: gives the run as it stands.
        every: seconds between two pictures; None: as fits.
        terminal: whether standard output is one.
    """
    pause = every or EVERY[0 if terminal else 1]
    console = Console(highlight=False, markup=False, emoji=False, soft_wrap=True)
    with Live(console=console, auto_refresh=False, vertical_overflow="crop") if terminal else nullcontext() as live:
        while True:
            seen = look()
            if live:
                live.update(Text(seen.text()), refresh=True)
            else:
                typer.echo(f"{seen.text()}\n")
            if seen.run.state != "running":
                return
            time.sleep(pause)


def _curves(events: list[Event]) -> dict[str, Curve]:
    """Of each measured number its title and course; the training loss first."""
    curves: dict[str, Curve] = {}
    for event in sorted((e for e in events if e.split != MACHINE), key=lambda e: e.split != "train"):
        title = "training loss" if event.split == "train" else f"{event.split} {event.name.replace('_', ' ')}"
        curves.setdefault(title, []).append((event.step, event.value))
    return curves


def _state(run: Begun) -> str:
    if run.state == "interrupted":
        return "interrupted: give its command again to resume"
    if run.state == "failed":
        return not_ended(run.failure)
    return f"{run.state} on {run.host}, as its lease says" if run.host else run.state
