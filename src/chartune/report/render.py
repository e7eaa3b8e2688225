"""From finished runs to one HTML file that opens anywhere: no script, no network, no font, no row of data.

runs ─▶ variants ─▶ outcomes, adaptation, cost, provenance ─▶ report.html.jinja + report.css ─▶ report.html
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import polars as pl
from jinja2 import DictLoader, Environment, StrictUndefined, Template
from markupsafe import Markup

from chartune.disclosure import is_made_up
from chartune.errors import ConfigError
from chartune.outputs import must_be_a_file, write_output
from chartune.published import CITATION, taylor2024
from chartune.report import adaptation, cost, marks, provenance, summary
from chartune.report.average import averages
from chartune.report.budgets import budgets
from chartune.report.caveats import caveats
from chartune.report.characteristics import patient_tables
from chartune.report.checklist import checklists
from chartune.report.choice import choice_table
from chartune.report.curves import Panel, draw_panel, perplexity_curves
from chartune.report.efficiency import Hourly, efficiency_tables, hourly
from chartune.report.exhibits import exhibits
from chartune.report.external import elsewhere
from chartune.report.files import write_exhibits
from chartune.report.hyperparameters import hyperparameter_table
from chartune.report.material import by_fingerprint, damage_reported, material
from chartune.report.methods import methods
from chartune.report.monitored import in_use
from chartune.report.outcome import Figure, Outcome, outcome, task_title
from chartune.report.printed_outcomes import printed_outcomes
from chartune.report.searched import searched
from chartune.report.searches import SearchShown
from chartune.report.table import Table, told_apart
from chartune.report.table_one import table_one
from chartune.report.variants import Variant, numbered
from chartune.report.ventilated import ventilated_table
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
    printed: tuple[Table, ...]
    """Its size beside what papers printed."""
    patients: tuple[Table, ...]
    """Of each task its characteristics and its missing data."""


@dataclass(frozen=True)
class Adaptation:
    """What was adapted on unlabelled notes."""

    tables: tuple[Table, ...]
    """Of those that predicted the next token, then of those that guessed masked ones: perplexities, differences, and
    whose test split was scored."""
    curves: Figure
    published: Table
    fictional: bool
    """Whether the notes were made up, so that what was printed stays folded."""


def report_of(
    store: Store, runs: Sequence[Run] | None, out: Path, title: str, listed: Table | None = None,
    tables: Path | None = None, searches: Sequence[SearchShown] = (), claims: Table | None = None,
) -> Path:  # fmt: skip
    """Write the report of some runs of a store and the runs they descend from; None: of all.

    Args:
        store: of the runs.
        runs: in the order to show them.
        out: the HTML file.
        title: its heading.
        listed: scores of runs that are not in the store; None: there are none.
        tables: a new folder for every table (CSV, LaTeX) and figure (SVG); None: they are not written.
        searches: by which settings were chosen.
        claims: what was stated beforehand, with the verdicts; None: nothing.

    Raises:
        ConfigError: there is no finished run to report on, `out` is a folder, a device or a pipe, or `tables` is taken.
        StoreError: a place cannot be written, or every run that was asked for is damaged.
    """
    must_be_a_file(out)
    write_output(out, page_of(store, runs, title, listed, tables, searches, claims).encode())
    return out


def page_of(
    store: Store, runs: Sequence[Run] | None, title: str, listed: Table | None = None, tables: Path | None = None,
    searches: Sequence[SearchShown] = (), claims: Table | None = None,
) -> str:  # fmt: skip
    """The same report as HTML, not written anywhere; `tables` are."""
    loaded = material(store, runs)
    prices = hourly(store.root)
    shown = _contents(loaded.runs, title, loaded.datasets, loaded.left_out, listed, searches, loaded.groups, prices)
    contents = {**shown, "claims": claims}
    if tables is not None:
        write_exhibits(exhibits(contents), tables)
    return _template().render(contents)


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
    return _template().render(_contents(runs, title, datasets, left_out, listed))


def _contents(
    runs: Sequence[Run], title: str, datasets: Mapping[str, Dataset], left_out: Sequence[str], listed: Table | None,
    searches: Sequence[SearchShown] = (), groups: Mapping[str, pl.DataFrame] | None = None,
    prices: Hourly | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Everything the template shows, computed. Raises ConfigError: there is nothing to show."""
    if not runs and listed is None:
        raise ConfigError("a report needs at least one finished run, but got none; run a study first.")
    every = by_fingerprint(runs)
    pretrained = adaptation.protected(numbered([run for run in runs if run.task is None], "P", every=every), datasets)
    outcomes = _outcomes([run for run in runs if run.task is not None], datasets, every, groups or {})
    compared = sum(section.paired.compared for section in outcomes)
    return {
        "title": title,
        "badges": sorted({_badge(run, datasets) for run in runs}),
        "tiles": [
            *[section.tile for section in outcomes if section.tile][:3],
            *summary.tiles(runs, list(datasets.values())),
        ],
        "sentences": summary.adapted(pretrained),
        "populations": [_population(name, datasets, {run.task for run in runs if run.task}) for name in datasets],
        "adaptation": _adaptation(pretrained, datasets) if pretrained else None,
        "outcomes": outcomes,
        "averages": averages([section.asked for section in outcomes]),
        "methods": methods(outcomes, searches, every),
        "printed": printed_outcomes([section.asked for section in outcomes]),
        **_variants(runs, pretrained, outcomes, datasets, searches),
        "efficiency": efficiency_tables([v for section in outcomes for v in section.variants], prices or Hourly()),
        "lineages": provenance.lineages(datasets),
        "switches": provenance.switches(runs),
        "caveats": [*caveats(runs, datasets, compared), *damage_reported(left_out)],
        "listed": listed,
        "claims": None,
        "searches": [searched(one, number) for number, one in enumerate(searches, 1)],
        "words": WORDS,
        "checklists": checklists(_sections(outcomes, pretrained, runs), any(run.backbone for run in runs)),
        "citation": CITATION,
        "taylor": taylor2024.CITATION,
        "warning": marks.WARNING,
        "version": runs[-1].environment.get("chartune") if runs else None,
    }


def _variants(
    runs: Sequence[Run], pretrained: Sequence[Variant], outcomes: Sequence[Outcome], datasets: Mapping[str, Dataset],
    searches: Sequence[SearchShown],
) -> dict[str, Any]:  # fmt: skip
    """Tables of all variants together: what they cost, were planned to cost and were set to."""
    variants = [*pretrained, *(v for section in outcomes for v in section.variants)]
    every = by_fingerprint(runs)
    settings = [hyperparameter_table(pretrained, "Hyperparameters: adaptation")]
    settings += [hyperparameter_table(o.variants, f"Hyperparameters: {o.title}") for o in outcomes]
    fictional = {run.fingerprint: _badge(run, datasets) == MADE_UP for run in runs}
    return {
        "elsewhere": elsewhere(variants, every, fictional),
        "in_use": in_use(every, fictional),
        "costs": cost.cost_table(variants, every),
        "planned": cost.planned_table(variants),
        "budgets": budgets([v for v in variants if v.run.task is not None], every, searches),
        "hyperparameters": [table for table in settings if table],
        "origins": provenance.origins(variants, datasets),
    }


def _outcomes(
    runs: Sequence[Run], datasets: Mapping[str, Dataset], every: Mapping[str, Run], kept: Mapping[str, pl.DataFrame]
) -> list[Outcome]:
    """One for each task on each data set; numbers run on, so that a number names one variant on the whole page."""
    groups: dict[tuple[str, str], list[Run]] = {}
    for run in runs:
        groups.setdefault((run.data or "", run.task or ""), []).append(run)
    known = {key: datasets.get(key[0]) or gone(group[0].about.source) for key, group in groups.items()}
    titles = _titles(known)
    outcomes, start = list[Outcome](), 0
    for key, group in groups.items():
        variants = numbered(group, start=start, every=every)
        start += len(variants)
        figure = f"task{len(outcomes) + 1}"
        outcomes.append(outcome(variants, known[key], key[1], figure, every, titles[key], kept.get(key[0])))
    return outcomes


def _titles(known: Mapping[tuple[str, str], Dataset]) -> dict[tuple[str, str], str]:
    """What the sections of tasks are called, no two alike: by their data where several have the same task.

    Args:
        known: fingerprint of data and name of a task → what is known of these data.
    """
    plain = {key: task_title(dataset, key[1]) for key, dataset in known.items()}
    sourced = {key: f"{plain[key]} ({dataset.source.title})" for key, dataset in known.items()}
    exact = {key: f"{plain[key]} ({dataset.source.title}, {key[0][:8]})" for key, dataset in known.items()}
    choices = [(titles, list(titles.values())) for titles in (plain, sourced)]
    return {
        key: next((titles[key] for titles, every in choices if every.count(titles[key]) == 1), exact[key])
        for key in known
    }


def _sections(outcomes: Sequence[Outcome], pretrained: Sequence[Variant], runs: Sequence[Run]) -> list[tuple[str, str]]:
    """Id and title of the sections of the page."""
    return [
        ("summary", "Summary"), ("data", "Data"), *([("adaptation", "Adaptation")] if pretrained else []),
        *((f"outcome-{number}", section.title) for number, section in enumerate(outcomes, 1)),
        *([("external", "On other data")] if any(run.about.external for run in runs) else []),
        ("cost", "Cost"), ("notes", "Notes"), ("words", "Words"), ("provenance", "Provenance"),
        ("hyperparameters", "Hyperparameters"),
    ]  # fmt: skip


def _adaptation(variants: Sequence[Variant], datasets: Mapping[str, Dataset]) -> Adaptation:
    badges = {_badge(run, datasets) for v in variants for run in v.runs}
    tables: list[Table | None] = []
    panels: list[Panel] = []
    for those in adaptation.kinds(variants):
        tables += [adaptation.perplexity_table(those), adaptation.perplexity_comparisons(those)]
        tables.append(choice_table(those, "Adaptation: what was chosen on what"))
        panels += perplexity_curves(those, open_data=badges == {MADE_UP})
    curves = Figure.of(draw_panel, panels, "adapt-curve")
    return Adaptation(tuple(filter(None, tables)), curves, marks.published_pretraining(), MADE_UP in badges)


def _population(fingerprint: str, datasets: Mapping[str, Dataset], asked: set[str]) -> Population:
    """Who is in the tasks that a run has asked; all prepared tasks would fill pages."""
    dataset = datasets[fingerprint]
    titles = _titles({(name, task): of for name, of in datasets.items() for task in of.only(asked).tasks})
    shown = dataset.only(asked).but(corpus=dataset.corpus)
    source = dataset.source
    terms = [source.title or "a source without a title"]
    terms += [f"{term} {value}" for term in ("version", "licence") if (value := getattr(source, term))]
    patients = [table for name in shown.tasks for table in patient_tables(dataset, name, titles[fingerprint, name])]
    beside = (told_apart(table, fingerprint, datasets) for table in (table_one(dataset), ventilated_table(dataset)))
    printed = tuple(filter(None, beside))
    return Population(fingerprint, " · ".join(terms), tuple(flow.cohorts(shown)), printed, tuple(patients))


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
