"""Where the numbers come from: for every run what it was made of, on what it ran, and how to have it again."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from chartune.cards import Facts, Section
from chartune.disclosure import is_made_up, shown
from chartune.quantities import same_unit
from chartune.report.card import KEPT, MODEL_CARD, card_of, contributed, stated
from chartune.report.table import Cell, Column, Table, told_apart
from chartune.report.variants import Variant
from chartune.runs import Layer, Run
from chartune.runs.record import BaseModel
from chartune.tasks.dataset import Dataset, RawFile
from chartune.tasks.flow import remarks_of


@dataclass(frozen=True)
class Origin:
    """One run's provenance, ready to be shown."""

    run: str
    """Its fingerprint."""
    title: str
    facts: Facts
    command: str
    """What to type, from inside the store, to have it again."""
    card: tuple[Section, ...]
    """Its model card; empty: the run keeps no weights."""
    card_file: str
    """Where the card stands in the store."""


@dataclass(frozen=True)
class Lineage:
    """One data set's provenance."""

    fingerprint: str
    facts: Facts
    tables: Table | None
    """The raw files; None: it does not list them."""
    warnings: tuple[str, ...]
    """What the source had to say of itself."""


def origins(variants: Sequence[Variant], datasets: Mapping[str, Dataset]) -> list[Origin]:
    """The provenance of every run of numbered variants, seed by seed."""
    return [_origin(v, run, datasets.get(run.data or "")) for v in variants for run in v.runs]


def lineages(datasets: Mapping[str, Dataset]) -> list[Lineage]:
    """The provenance of every data set."""
    made = [_lineage(fingerprint, dataset) for fingerprint, dataset in datasets.items()]
    return [replace(lineage, tables=told_apart(lineage.tables, lineage.fingerprint, datasets)) for lineage in made]


def switches(runs: Sequence[Run]) -> Table | None:
    """Every fidelity switch in force, and where runs differ, which run has which; None: no run records any."""
    settings: dict[str, dict[str, list[str]]] = {}
    for run in runs:
        for name, value in run.switches.items():
            settings.setdefault(name, {}).setdefault(plain(value), []).append(run.name)
    if not settings:
        return None
    rows = []
    for name in sorted(settings, key=lambda name: (name != "preset", name)):
        for value, names in settings[name].items():
            whose = "all runs" if len(names) == len(runs) else ", ".join(dict.fromkeys(names))
            rows.append((Cell(name.replace("_", " ")), Cell(value), Cell(whose)))
    columns = (Column("Switch", numeric=False), Column("Setting", numeric=False), Column("In", numeric=False))
    note = (
        "Places where published recipes depart from what chartune stands behind. The preset sound departs nowhere; "
        "paper-text and paper-code set the papers' own (`chartune prepare --preset`)."
    )
    return Table("Fidelity switches", columns, tuple(rows), note)


def plain(value: object) -> str:
    """A setting as people write it."""
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)


def _origin(variant: Variant, run: Run, dataset: Dataset | None) -> Origin:
    seed = f", seed {run.about.seed}" if len(variant.runs) > 1 else ""
    card = card_of(run, dataset) if run.kind in KEPT else []
    file = f"runs/{run.fingerprint}/{MODEL_CARD}"
    return Origin(run.fingerprint, f"{variant.label} · {run.name}{seed}", _facts(run), _command(run), tuple(card), file)


def _lineage(fingerprint: str, dataset: Dataset) -> Lineage:
    source, rule = dataset.source, dataset.splits.rule
    known = {
        "Prepared data": fingerprint,
        "Source": source.title,
        "Kind": source.kind,
        "Version": source.version,
        "Licence": source.licence,
        "Split rule": ", ".join(f"{name.replace('_', ' ')} {plain(value)}" for name, value in rule.items()) or None,
        "Prepared by": f"chartune {dataset.chartune}",
    }
    return Lineage(fingerprint, stated(known, known), _tables(source.tables, is_made_up(source)), remarks_of(source))


def _tables(tables: Mapping[str, RawFile], open_data: bool) -> Table | None:
    # Rows of real patients by their class: beside the flow an exact count would tell how few a filter left out.
    columns = (Column("Raw file", numeric=False), Column("Rows"), Column("Size"), Column("SHA-256", numeric=False))
    size = same_unit(fact.bytes for fact in tables.values())
    rows = tuple(
        (Cell(fact.file), Cell(shown(fact.rows, open_data)), Cell(size(fact.bytes)), Cell(fact.sha256[:16]))
        for _, fact in sorted(tables.items())
    )  # fmt: skip
    return Table("Raw files", columns, rows, cards=False) if rows else None


_ALWAYS: Final = frozenset({"Run", "Kind", "Data", "Seed", "Versions", "Switches", "Finished"})
"""What is stated of every run, be it as "not measured"."""
_PACKAGES: Final = ("chartune", "python", "torch", "transformers", "peft", "scikit-learn", "polars")
_MACHINE: Final = ("device", "cpu", "platform")


def _facts(run: Run) -> Facts:
    """What was asked, of what, where and when, in this order."""
    facts = _asked(run) | _made_of(run) | _ran_on(run) | _took(run)
    return stated({term: None if value == "" else value for term, value in facts.items()}, _ALWAYS)


def _asked(run: Run) -> dict[str, object]:
    config = f"runs/{run.fingerprint}/stage.yaml" if run.stage else None
    return {
        "Run": run.fingerprint, "Kind": run.kind, "Task": run.task, "Asked with": config, "Data": run.data,
    }  # fmt: skip


def _made_of(run: Run) -> dict[str, object]:
    backbone = run.backbone
    switched = (f"{name.replace('_', ' ')}: {plain(value)}" for name, value in sorted(run.switches.items()))
    return {
        "Base model": _backbone(backbone),
        "Base licence": backbone and backbone.licence,
        "Base exposure": backbone and backbone.exposure,
        "Stack": " → ".join(map(_layer, run.stack)) or run.stack_title,
        "Contributions": contributed(run.about),
        "Parents": ", ".join(run.parents),
        "Seed": run.about.seed,
        "Switches": "; ".join(switched),
    }


def _ran_on(run: Run) -> dict[str, object]:
    env = run.environment
    return {
        "Precision": _because(env.get("precision"), env.get("precision_reason")),
        "Attention": env.get("attention"),
        "Reading": env.get("reading"),
        "Device": ", ".join(str(env[name]) for name in _MACHINE if env.get(name)),
        "Threads": env.get("threads"),
        "Versions": ", ".join(f"{name} {env[name]}" for name in _PACKAGES if env.get(name)),
    }


def _took(run: Run) -> dict[str, object]:
    about = run.about
    return {
        "Stopped early": None if about.stopped_early is None else plain(about.stopped_early),
        "Started": about.started,
        "Finished": about.finished,
        "Resumed": about.resumed,
    }


def _layer(layer: Layer) -> str:
    details = [part for part in (layer.sha256 and f"sha256 {layer.sha256[:12]}", layer.foreign) if part]
    return f"{layer} ({', '.join(details)})" if details else str(layer)


def _backbone(backbone: BaseModel | None) -> str | None:
    if backbone is None:
        return None
    size = f"{backbone.parameters:,} parameters" if backbone.parameters else ""
    content = f"content {backbone.content_hash[:16]}" if backbone.content_hash else ""
    details = (str(backbone.name), backbone.family, size, content)
    return ", ".join(part for part in details if part)


def _because(value: str | None, reason: str | None) -> str | None:
    return f"{value}: {reason}" if value and reason else value


def _command(run: Run) -> str:
    if run.about.external:
        return f"chartune evaluate {run.about.external.run} {run.data} --store ."
    verb = "pretrain" if run.kind == "pretrain" else "finetune"
    return f"chartune {verb} --config runs/{run.fingerprint}/stage.yaml --store ."
