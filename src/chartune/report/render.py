"""From finished runs to one HTML file that opens anywhere: no script, no network, no font, no row of data.

runs ─▶ variants ─▶ outcomes, adaptation, cost, provenance ─▶ report.html.jinja + report.css ─▶ report.html
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import DictLoader, Environment, StrictUndefined, Template
from markupsafe import Markup

from chartune.disclosure import is_made_up
from chartune.errors import ConfigError
from chartune.outputs import must_be_a_file, write_output
from chartune.published import CITATION
from chartune.report import adaptation, cost, marks, provenance, summary
from chartune.report.caveats import caveats
from chartune.report.choice import choice_table
from chartune.report.curves import draw_panel, perplexity_curves
from chartune.report.external import elsewhere
from chartune.report.material import by_fingerprint, damage_reported, material
from chartune.report.outcome import Outcome, outcome
from chartune.report.table import Table
from chartune.report.table_one import table_one
from chartune.report.variants import Variant, numbered
from chartune.report.words import WORDS
from chartune.runs import Run
from chartune.store import Store
from chartune.tasks import flow
from chartune.tasks.dataset import Dataset, gone


@dataclass(frozen=True)
class Population:
    """One data set as shown: where it comes from, who is in it."""

    fingerprint: str
    source: str
    cohorts: tuple[flow.Cohort, ...]
    table_one: Table | None
    """Its size beside what the paper printed."""


@dataclass(frozen=True)
class Adaptation:
    """What was adapted on unlabelled notes. A figure is drawn SVG."""

    variants: tuple[Variant, ...]
    table: Table | None
    choice: Table | None
    """Whose test split was scored, and the validation perplexities; None: everybody's was."""
    curves: tuple[Markup, ...]
    published: Table
    fictional: bool
    """Whether the notes were made up, so that what was printed stays folded."""


def report_of(
    store: Store, runs: Sequence[Run] | None, out: Path, title: str, listed: Table | None = None
) -> Path:  # fmt: skip
    """Write the report of some runs of a store and the runs they descend from; None: of all.

    Args:
        store: of the runs.
        runs: in the order to show them.
        out: the HTML file.
        title: its heading.
        listed: scores of runs that are not in the store; None: there are none.

    Raises:
        ConfigError: there is no finished run to report on, or `out` is a folder, a device or a pipe.
        StoreError: `out` cannot be written, or every run that was asked for is damaged.
    """
    must_be_a_file(out)
    write_output(out, page_of(store, runs, title, listed).encode())
    return out


def page_of(store: Store, runs: Sequence[Run] | None, title: str, listed: Table | None = None) -> str:
    """The same report as HTML, not written anywhere."""
    loaded = material(store, runs)
    return rendered(loaded.runs, title=title, datasets=loaded.datasets, left_out=loaded.left_out, listed=listed)


def rendered(
    runs: Sequence[Run], *, title: str, datasets: Mapping[str, Dataset], left_out: Sequence[str] = (),
    listed: Table | None = None,
) -> str:  # fmt: skip
    """The report of some runs as HTML, in one self-contained page.

    Args:
        runs: finished runs of any kind, in the order to show them.
        title: the page's heading.
        datasets: data fingerprint → content of its `dataset.json`; a data set that is absent is reported as such.
        left_out: fingerprints of runs that are damaged; the page says so.
        listed: scores of runs that are not in the store; None: there are none.

    Raises:
        ConfigError: there are no runs.
    """
    if not runs and listed is None:
        raise ConfigError("a report needs at least one finished run, but got none; run a study first.")
    return _template().render(_contents(runs, title, datasets, left_out) | {"listed": listed})


def _contents(
    runs: Sequence[Run], title: str, datasets: Mapping[str, Dataset], left_out: Sequence[str]
) -> dict[str, Any]:
    """Everything the template shows, computed."""
    every = by_fingerprint(runs)
    asked = {run.task for run in runs if run.task}
    pretrained = numbered([run for run in runs if run.task is None], "P", every=every)
    outcomes = _outcomes([run for run in runs if run.task is not None], datasets, every)
    variants = [*pretrained, *(v for section in outcomes for v in section.variants)]
    score_tiles = [section.tile for section in outcomes if section.tile]
    return {
        "title": title,
        "badges": sorted({_badge(run, datasets) for run in runs}),
        "tiles": [*score_tiles[:3], *summary.tiles(runs, list(datasets.values()))],
        "sentences": summary.adapted(pretrained),
        "populations": [_population(name, dataset, asked) for name, dataset in datasets.items()],
        "adaptation": _adaptation(pretrained, datasets) if pretrained else None,
        "outcomes": outcomes,
        "elsewhere": elsewhere(variants, every, {run.fingerprint: _badge(run, datasets) == MADE_UP for run in runs}),
        "costs": cost.cost_table(variants, every),
        "planned": cost.planned_table(variants),
        "lineages": provenance.lineages(datasets),
        "switches": provenance.switches(runs),
        "origins": provenance.origins(variants, datasets),
        "caveats": [
            *caveats(runs, datasets, sum(section.paired.compared for section in outcomes)),
            *damage_reported(left_out),
        ],
        "words": WORDS,
        "citation": CITATION,
        "warning": marks.WARNING,
        "version": runs[-1].environment.get("chartune") if runs else None,
    }


def _outcomes(runs: Sequence[Run], datasets: Mapping[str, Dataset], every: Mapping[str, Run]) -> list[Outcome]:
    """One for each task on each data set; numbers run on, so that a number names one variant on the whole page."""
    groups: dict[tuple[str | None, str], list[Run]] = {}
    for run in runs:
        groups.setdefault((run.data, run.task or ""), []).append(run)
    outcomes: list[Outcome] = []
    start = 0
    for (data, task), group in groups.items():
        variants = numbered(group, start=start, every=every)
        start += len(variants)
        figure = f"task{len(outcomes) + 1}"
        known = datasets.get(data or "") or gone(group[0].about.source)
        outcomes.append(outcome(variants, known, task, figure, every))
    return outcomes


def _adaptation(variants: Sequence[Variant], datasets: Mapping[str, Dataset]) -> Adaptation:
    badges = {_badge(run, datasets) for v in variants for run in v.runs}
    panels = perplexity_curves(variants, open_data=badges == {MADE_UP})
    curves = tuple(Markup(draw_panel(panel, f"adapt-curve{n}")) for n, panel in enumerate(panels))
    table, printed = adaptation.perplexity_table(variants), marks.published_pretraining()
    choice = choice_table(variants, "Adaptation: what was chosen on what")
    return Adaptation(tuple(variants), table, choice, curves, printed, MADE_UP in badges)


def _population(fingerprint: str, dataset: Dataset, asked: set[str]) -> Population:
    """Who is in the tasks that a run has asked; all prepared tasks would fill pages."""
    shown = dataset.only(asked).but(corpus=dataset.corpus)
    source = dataset.source
    terms = [source.title or "a source without a title"]
    terms += [f"{term} {value}" for term in ("version", "licence") if (value := getattr(source, term))]
    return Population(fingerprint, " · ".join(terms), tuple(flow.cohorts(shown)), table_one(dataset))


MADE_UP = "made-up data"
"""The badge of fictional patients."""


def _badge(run: Run, datasets: Mapping[str, Dataset]) -> str:
    source = (datasets.get(run.data or "") or gone(run.about.source)).source
    return MADE_UP if is_made_up(source) else source.title or "source not recorded"


def _template() -> Template:
    folder = files("chartune.report")
    parts = {
        name: folder.joinpath(name).read_text(encoding="utf-8") for name in ("report.html.jinja", "parts.html.jinja")
    }
    environment = Environment(
        loader=DictLoader(parts), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.globals["css"] = Markup(folder.joinpath("report.css").read_text(encoding="utf-8"))
    return environment.get_template("report.html.jinja")
