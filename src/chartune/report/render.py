"""From finished runs to one HTML file that opens anywhere: no script, no network, no font, no row of data.

Runs ─┬─ cohort ──────┐
      ├─ tables ──────┤
      ├─ figures ─────┼─▶ report.html.jinja + report.css ─▶ report.html
      ├─ summary ─────┤
      └─ provenance ──┘
"""

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from chartune.errors import ConfigError
from chartune.published import CITATION, downstream
from chartune.report import cohort, figures, provenance, summary, tables
from chartune.report.tables import Table, Variant
from chartune.runs import Run, finished_runs
from chartune.store import Store, storing

Dataset = Mapping[str, Any]
"""The content of a `dataset.json`."""

CARD: Final = ("who", "when", "seen", "asked", "scored", "citation")
"""What a reader must know of a task, in the order asked."""


@dataclass(frozen=True)
class Outcome:
    """One task on one data set: only its runs may be compared."""

    title: str
    kind: str
    """Such as `retrospective-text`."""
    card: tuple[tuple[str, str], ...]
    """Who, when, what is seen, what is asked: term and answer."""
    sentences: tuple[str, ...]
    scores: Table
    forest: str
    curves: str
    price: str
    published: Table | None


@dataclass(frozen=True)
class Population:
    """One data set as shown: where it comes from, who is in it."""

    fingerprint: str
    source: str
    cohorts: tuple[cohort.Cohort, ...]


def report_of(store: Store, runs: Sequence[Run] | None, out: Path, title: str) -> Path:
    """Write the report of some runs of a store and the runs they descend from; None: of all.

    Raises:
        ConfigError: there is no finished run to report on.
        StoreError: `out` cannot be written.
    """
    every = {run.fingerprint: run for run in finished_runs(store)}
    chosen = list(every.values()) if runs is None else _with_parents(runs, every)
    datasets = {}
    for fingerprint in dict.fromkeys(run.data for run in chosen if run.data):
        artefact = store.find("data", fingerprint)
        if artefact is not None and (artefact.path / "dataset.json").is_file():
            datasets[fingerprint] = json.loads((artefact.path / "dataset.json").read_text(encoding="utf-8"))
    return render(chosen, out, title=title, datasets=datasets)


def render(runs: Sequence[Run], out: Path, *, title: str, datasets: Mapping[str, Dataset]) -> Path:
    """Write one self-contained HTML file.

    Args:
        runs: finished runs of any kind, in the order to show them.
        out: the file to write; its folder is made if needed.
        title: the page's heading.
        datasets: data fingerprint → content of its `dataset.json`; a data set that is absent is told as such.

    Raises:
        ConfigError: there are no runs.
        StoreError: `out` cannot be written.
    """
    if not runs:
        raise ConfigError("a report needs at least one finished run, but got none; run a study first.")
    page = _template().render(_contents(runs, title, datasets))
    with storing(out):
        out.parent.mkdir(parents=True, exist_ok=True)
        aside = out.with_name(f".{out.name}.tmp")
        aside.write_text(page, encoding="utf-8")
        os.replace(aside, out)
    return out


def _contents(runs: Sequence[Run], title: str, datasets: Mapping[str, Dataset]) -> dict[str, Any]:
    """Everything the template shows, computed."""
    pretrained = tables.numbered([run for run in runs if run.task is None], "P")
    scored = [run for run in runs if run.task is not None]
    groups = _groups(scored)
    variants = _number_groups(groups)
    first: Dataset = next(iter(datasets.values()), {})
    outcomes = [
        _outcome(group, datasets.get(data or "", {}), task, f"task{n}")
        for n, ((data, task), group) in enumerate(variants.items(), start=1)
    ]
    panels = figures.learning_curves(pretrained)
    with_perplexity = [v for v in pretrained if v.run.estimate("perplexity")]
    return {
        "title": title,
        "badges": sorted({_badge(run, datasets) for run in runs}),
        "tiles": summary.tiles([v.run for v in pretrained], scored, first),
        "sentences": summary.adapted([v.run for v in pretrained]),
        "populations": [_population(name, dataset) for name, dataset in datasets.items()],
        "perplexities": tables.perplexity_table(with_perplexity) if with_perplexity else None,
        "pretrain_curves": Markup(figures.draw_curves(panels, "pretrain")) if panels else "",
        "outcomes": outcomes,
        "costs": tables.cost_table([*pretrained, *(v for group in variants.values() for v in group)]),
        "origins": provenance.origins([*pretrained, *(v for group in variants.values() for v in group)]),
        "caveats": provenance.caveats(runs, datasets),
        "citation": CITATION,
        "version": runs[-1].environment.get("chartune"),
    }


def _outcome(variants: Sequence[Variant], dataset: Dataset, name: str, figure: str) -> Outcome:
    task = dataset.get("tasks", {}).get(name, {})
    title = str(task.get("title") or name.replace("_", " "))
    against = tables.differences([variant.run for variant in variants])
    made_up = cohort.is_made_up(dataset.get("source") or variants[0].run.about.get("source") or {})
    marks = _published_range(name, dataset)
    forest, panels, price = figures.forest(variants, marks), figures.learning_curves(variants), figures.price(variants)
    return Outcome(
        title=title,
        kind=str(task.get("kind") or ""),
        card=tuple((term, str(task[term])) for term in CARD if task.get(term)),
        sentences=tuple(summary.compared(variants, against)),
        scores=tables.score_table(variants, against, f"{title}: scores on the test split", made_up),
        forest=Markup(figures.draw_forest(forest, f"{figure}-forest")) if forest else "",
        curves=Markup(figures.draw_curves(panels, f"{figure}-curves")) if panels else "",
        price=Markup(figures.draw_price(price, f"{figure}-price")) if price else "",
        published=tables.published_table(name) if marks else None,
    )


def _population(fingerprint: str, dataset: Dataset) -> Population:
    source = dataset.get("source", {})
    told = [source.get("title") or "a source without a title"]
    told += [f"{term} {source[term]}" for term in ("version", "licence") if source.get(term)]
    return Population(fingerprint, " · ".join(told), tuple(cohort.cohorts(dataset)))


def _published_range(task: str, dataset: Dataset) -> tuple[float, float] | None:
    """The span of printed AUROCs, for runs on the source that the paper took; other patients are not comparable."""
    printed = [row.auroc for row in downstream(task)]
    source = dataset.get("source", {})
    same = str(source.get("kind", "")).startswith("mimic3") and not cohort.is_made_up(source)
    return (min(printed), max(printed)) if printed and same else None


def _groups(runs: Sequence[Run]) -> dict[tuple[str | None, str], list[Run]]:
    groups: dict[tuple[str | None, str], list[Run]] = {}
    for run in runs:
        groups.setdefault((run.data, run.task or ""), []).append(run)
    return groups


def _number_groups(groups: Mapping[tuple[str | None, str], list[Run]]) -> dict[tuple[str | None, str], list[Variant]]:
    """Numbers that run on through all groups, so that a number names one run on the whole page."""
    numbered = {}
    start = 0
    for key, runs in groups.items():
        variants = tables.numbered(runs)
        numbered[key] = [Variant(str(start + n), v.run) for n, v in enumerate(variants, start=1)]
        start += len(variants)
    return numbered


def _badge(run: Run, datasets: Mapping[str, Dataset]) -> str:
    source = datasets.get(run.data or "", {}).get("source") or run.about.get("source") or {}
    return "made-up data" if cohort.is_made_up(source) else str(source.get("title") or "source not recorded")


def _with_parents(runs: Iterable[Run], every: Mapping[str, Run]) -> list[Run]:
    """Runs and all that they descend from, parents first; each once."""
    ordered: dict[str, Run] = {}

    def add(run: Run) -> None:
        for parent in run.parents:
            if parent in every and parent not in ordered:
                add(every[parent])
        ordered.setdefault(run.fingerprint, run)

    for run in runs:
        add(run)
    return list(ordered.values())


def _template() -> Any:
    folder = files("chartune.report")
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.globals["css"] = Markup(folder.joinpath("report.css").read_text(encoding="utf-8"))
    return environment.from_string(folder.joinpath("report.html.jinja").read_text(encoding="utf-8"))
