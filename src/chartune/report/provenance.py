"""Where the numbers come from: for every run what it was made of, on what it ran, and how to have it again."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from chartune.report.cohort import is_made_up
from chartune.report.tables import NOT_MEASURED, Variant
from chartune.runs import Run


@dataclass(frozen=True)
class Origin:
    """One run's provenance, ready to be shown."""

    title: str
    facts: tuple[tuple[str, str], ...]
    """Term and value."""
    command: str
    """What to type, from inside the store, to have it again."""


def origins(variants: Sequence[Variant]) -> list[Origin]:
    """The provenance of numbered runs."""
    return [Origin(f"{v.label} · {v.run.name}", _facts(v.run), _command(v.run)) for v in variants]


def caveats(runs: Sequence[Run], datasets: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """What every reader of these numbers must know."""
    sources = [dataset.get("source", {}) for dataset in datasets.values()]
    tasks = [t for d in datasets.values() for name, t in d.get("tasks", {}).items() if name in {r.task for r in runs}]
    notes = ["Research only. Nothing here supports a decision about a patient."]
    if any(is_made_up(source) for source in sources):
        notes.append(
            "The patients are fictional and were written by a program. Scores tell how the methods behave on such "
            "texts and say nothing about any hospital."
        )
    if any(task.get("kind") == "retrospective-text" for task in tasks):
        notes.append(
            "Retrospective text: the admission notes are assembled from sections of discharge summaries, which were "
            "written after the outcome was known. They tell what was known on arrival, but hindsight may have shaped "
            "the wording (van Aken et al., 2021, EACL). A prospective score may be lower."
        )
    notes += _on_intervals(runs)
    if not all(is_made_up(source) for source in sources):
        notes.append(
            'Counts of 1 to 9 are shown as "<10"; where one is hidden, the flow is rounded to tens, so that nobody can '
            "work it out."
        )
    return notes + [
        f"{source.get('title', 'Source')}: {warning}" for source in sources for warning in source.get("warnings", [])
    ]


def _on_intervals(runs: Sequence[Run]) -> list[str]:
    if not any(run.estimate("auroc") for run in runs):
        return []
    seeds = sorted({run.about["seed"] for run in runs if run.about.get("seed") is not None})
    told = f"with seed {', '.join(map(str, seeds))}" if seeds else "with one seed"
    return [
        "Intervals are 95 % percentile intervals of a bootstrap that resamples patients, not rows. They cover the luck "
        f"of who is in the test split, not the luck of training: each run was trained once, {told}.",
        "No correction was made for comparing several variants.",
    ]


def _facts(run: Run) -> tuple[tuple[str, str], ...]:
    env, backbone = run.environment, run.backbone
    versions = [
        f"{name} {env[name]}" for name in ("chartune", "python", "torch", "transformers", "peft") if env.get(name)
    ]
    device = [str(env[name]) for name in ("device", "cpu", "platform") if env.get(name)]
    switches = [f"{name}: {_plain(value)}" for name, value in sorted((env.get("switches") or {}).items())]
    layers = [f"{layer}{f' (sha256 {layer.sha256[:12]})' if layer.sha256 else ''}" for layer in run.stack]
    facts = {
        "Run": run.fingerprint,
        "Kind": run.kind,
        "Data": run.data,
        "Base model": _backbone(backbone),
        "Base exposure": backbone.get("exposure"),
        "Stack": " → ".join(layers) or None,
        "Parents": ", ".join(run.parents) or None,
        "Seed": run.about.get("seed"),
        "Precision": _because(env.get("precision"), env.get("precision_reason")),
        "Attention": env.get("attention"),
        "Device": ", ".join(device) or None,
        "Threads": env.get("threads"),
        "Versions": ", ".join(versions) or None,
        "Switches": "; ".join(switches) or None,
        "Started": run.about.get("started"),
        "Finished": run.about.get("finished"),
        "Resumed": run.about.get("resumed"),
    }
    always = {"Run", "Kind", "Data", "Seed", "Versions", "Finished"}
    shown = {term: value for term, value in facts.items() if value is not None or term in always}
    return tuple((term, NOT_MEASURED if value is None else str(value)) for term, value in shown.items())


def _backbone(backbone: Mapping[str, Any]) -> str | None:
    if not backbone:
        return None
    size = f"{backbone['parameters']:,} parameters" if backbone.get("parameters") else ""
    content = f"content {str(backbone['content_hash'])[:16]}" if backbone.get("content_hash") else ""
    return ", ".join(
        part for part in (str(backbone.get("name")), str(backbone.get("family") or ""), size, content) if part
    )


def _because(value: str | None, reason: str | None) -> str | None:
    return f"{value}: {reason}" if value and reason else value


def _plain(value: object) -> str:
    return {True: "yes", False: "no"}.get(value, str(value)) if isinstance(value, bool) else str(value)


def _command(run: Run) -> str:
    verb = {"tfidf": "finetune --method tfidf"}.get(run.kind, run.kind)
    return f"chartune {verb} --config runs/{run.fingerprint}/stage.yaml --store ."
