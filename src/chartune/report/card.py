"""The model card: what an adapter is, what it learnt from, how well it does, and what it must not be used for.

    run.json ─┐
    scores  ──┤
    cost    ──┼─▶ sections ─┬─▶ MODEL_CARD.md, in the run's folder
    environment             └─▶ the report, folded
    dataset ──┘

It holds counts and scores: no text of a note, no id of a patient, and of real patients what `chartune.disclosure`
allows. What was not measured is said to be "not measured". Nothing is drawn here, so a stage may write a card without
matplotlib.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import polars as pl

from chartune.cards import Facts, Section, markdown
from chartune.disclosure import Behind, is_made_up, rates
from chartune.quantities import Cost, Estimate, human_bytes, human_seconds
from chartune.report.card_scores import behinds, scores_section
from chartune.report.caveats import NEVER_ACTIVE
from chartune.report.loading import loading
from chartune.report.table import NOT_MEASURED, count
from chartune.runs.record import INACTIVE, RunRecord
from chartune.runs.run import CHOOSING, SCORING, START, Run
from chartune.tasks.dataset import Dataset, SourceEntry, TaskEntry, gone
from chartune.tasks.dataset_card import task_facts
from chartune.tasks.flow import cohorts, remarks_of
from chartune.tasks.task import ANSWER_TOLD

MODEL_CARD: Final = "MODEL_CARD.md"
"""Its file in the folder of a run."""
KEPT: Final = frozenset({"pretrain", "finetune"})
"""Kinds of runs that leave weights behind."""

WITHOUT_BASE: Final = {
    "tfidf": "Word weights and logistic regression", "structured": "A model of structured data that reads no text",
    "prior": "The label frequencies of the training split, alike for every row",
    "ensemble": "A weighted mean of the log-odds of other runs, its weights chosen on the validation split",
}  # fmt: skip
"""What a run without a base model is."""


def model_card(
    about: RunRecord,
    scores: Mapping[str, Mapping[str, Estimate]],
    cost: Cost,
    environment: Mapping[str, Any],
    dataset: Dataset | None,
    predicted: pl.DataFrame | None = None,
) -> str:
    """The card as Markdown.

    Args:
        about: `run.json`.
        scores: split → metric → Estimate.
        cost: what the run has cost.
        environment: `environment.json`: versions, numerics, fidelity switches.
        dataset: `dataset.json` of its data; None: it is not at hand.
        predicted: its rows: split, subject_id, label; of unlabelled text its patients; None: not at hand.
    """
    return card_text(about, sections(about, scores, cost, environment, dataset, predicted))


def card_text(about: RunRecord, parts: Sequence[Section]) -> str:
    """The parts of a card as Markdown, under the name of the run."""
    return markdown(about.name or "An unnamed run", parts)


def card_of(
    run: Run, dataset: Dataset | None, exact: bool = False, loaded: Section | None = None
) -> list[Section]:  # fmt: skip
    """The card of a finished run, in parts; arguments as for `sections`."""
    predicted = run.predictions() if run.task and run.has_predictions() else run.nll()
    return sections(run.about, run.scores, run.cost, run.environment, dataset, predicted, exact, loaded)


def sections(
    about: RunRecord,
    scores: Mapping[str, Mapping[str, Estimate]],
    cost: Cost,
    environment: Mapping[str, Any],
    dataset: Dataset | None,
    predicted: pl.DataFrame | None = None,
    exact: bool = False,
    loaded: Section | None = None,
) -> list[Section]:
    """The card in parts; arguments as for `model_card`. `exact`: the analyst has asked for exact counts of patients.

    `loaded`: how the weights beside the card are read; None: they lie in the folder of their run.
    """
    data = dataset or gone(about.source)
    source, task = data.source, data.tasks.get(about.task or "")
    open_data = is_made_up(source)
    exact = exact or open_data
    stand = None if exact else behinds(scores, about, task.counts if task else {}, predicted)
    candidates = [
        _what(about, task, None if stand is None else _reported(stand)),
        _base(about),
        _data(about, data, source, exact),
        _counts(about, data, exact),
        _task(task),
        scores_section(scores, about.form, stand),
        _cost(about, cost, exact),
        _limits(task, source, open_data),
        loaded or loading_section(about),
        _lineage(about, environment),
    ]
    return [section for section in candidates if section is not None]


def _reported(stand: Mapping[str, Behind]) -> Behind:
    """Who stands behind the scores of the split that is reported: the test split, where it was scored."""
    return next((stand[split] for split in (SCORING, CHOOSING) if split in stand), Behind(scored=False))


def loading_section(about: RunRecord) -> Section:
    """How the weights beside the card are read."""
    text, code = loading(about)
    return Section("How to load it", text, code=code)


def _what(about: RunRecord, task: TaskEntry | None, stands: Behind | None) -> Section:
    """What it is; `stands`: who stands behind its scores, None: all may be shown."""
    base, question = about.backbone and about.backbone.name, (task and task.asked) or about.task
    if about.kind == "pretrain":
        token = "masked tokens" if about.masking else "the next token"
        text = f"Weights that adapt {base} to clinical text. They learnt to predict {token} of unlabelled notes."
        if about.text == "general":
            text = f"A placebo: weights on {base} that learnt to predict {token} of general text, in place of notes."
    elif base:
        text = f"Weights on {base}, with a head, that learnt to answer: {question}"
    else:
        text = f"{WITHOUT_BASE.get(about.kind, WITHOUT_BASE['tfidf'])}, that learnt to answer: {question}"
    reach, cut, rows = about.max_seq_len, about.truncated_fraction, stands.rows if stands else None
    facts = {
        "Kind of run": about.kind,
        "Task": about.task,
        "Answer": about.answer,
        "Asked": about.outcome or None,
        "Method and stack": about.stack_title,
        "Members": "; ".join(f"{each.weight:.2f} {each.name} ({each.run[:8]})" for each in about.members) or None,
        "Never active": NEVER_ACTIVE if any(layer.state == INACTIVE for layer in about.layers) else None,
        "Contributions": contributed(about) or None,
        "Method in full": "; ".join(_method(layer.method or {}) for layer in about.layers) or None,
        "Text read": _reach(about, reach) if reach else None,
        "Texts cut short": None if cut is None else rates.percent(cut, stands is None, rows),
        "Pooling": about.pooling,
        **({"Attention": "bidirectional: tokens see those behind them"} if about.bidirectional else {}),
        "Kept": _step(about, stands is None),
        "Use": "research only; no decision about a patient",
    }
    return Section(
        "What it is", (text,), stated(facts, always=("Kind of run", "Use", *(("Method and stack",) if base else ())))
    )


def contributed(about: RunRecord) -> str:
    """How much each layer does to the logits, in words; empty: not measured, or there is no layer."""
    measured = [
        f"{layer.state} {layer.title} {'not measured' if change is None else f'{change:.3g}'}"
        for layer, change in zip(about.layers, about.contributions or (), strict=False)
    ]
    return f"{', '.join(measured)} (mean change of the logits of eight training texts without it)" if measured else ""


def _reach(about: RunRecord, tokens: int) -> str:
    if about.kind != "pretrain":
        return about.tokens_read
    cut = about.notes == "first-tokens"
    if cut:
        return f"first {tokens:,} tokens of each note"
    return f"in rows of at most {tokens:,} tokens" if about.masking else f"in blocks of {tokens:,} tokens"


def _step(about: RunRecord, exact: bool) -> str | None:
    if about.kept_start:
        return f"{START}; training brought no improvement on the validation split"
    best = rates.magnitude(about.best_step, exact, about.texts)
    return None if best is None else f"{'' if exact else 'about '}step {best:,}, the best on the validation split"


def _base(about: RunRecord) -> Section | None:
    base = about.backbone
    if not base:
        return None
    facts = {
        "Name": base.name,
        "Family": base.family,
        "Parameters": count(base.parameters),
        "Content hash": base.content_hash,
        "Licence": base.licence,
        "What it had read before": base.exposure,
    }
    padded = {"Padding": f"by {base.padding}; its tokenizer has no padding token of its own"} if base.padding else {}
    return Section("Base model", (), stated(facts | padded, always=facts))


def _data(about: RunRecord, data: Dataset, source: SourceEntry, exact: bool) -> Section:
    facts = {
        "Source": source.title or None,
        "Kind": source.kind or None,
        "Version": source.version or None,
        "Licence": source.licence or None,
        "Prepared data": about.data,
        "Split by": data.splits.rule.get("kind"),
    }
    remarks = tuple(f"The source says: {line}" for line in remarks_of(source, exact))
    return Section("Data", remarks, stated(facts, always=("Source", "Version", "Licence", "Prepared data")))


def _counts(about: RunRecord, data: Dataset, exact: bool) -> Section | None:
    """Who is in which split, hidden counts hidden; None: nobody has counted."""
    name = about.task
    part = data.tasks.get(name) if name else data.corpus
    if not part:
        return None
    splits = cohorts(data.only([name]) if name else data.only([]).but(corpus=part), exact)[0].splits
    return Section("Who is in it", (), columns=("split", *splits.columns), rows=splits.rows)


def _task(task: TaskEntry | None) -> Section | None:
    facts = task_facts(task) if task else None
    return Section(f"Task: {(task and task.title) or 'untitled'}", (), facts) if facts else None


def _cost(about: RunRecord, cost: Cost, exact: bool) -> Section:
    planned = about.planned or {}
    figures = (
        ("Time", human_seconds, planned.get("seconds"), cost.seconds),
        ("Time in training", human_seconds, None, cost.train_seconds),
        ("Peak memory", human_bytes, planned.get("peak_bytes"), cost.peak_bytes),
        ("Trained parameters", count, planned.get("trainable_parameters"), cost.trainable_parameters),
        ("All parameters", count, None, cost.total_parameters),
        ("Tokens trained on", count, None, rates.magnitude(cost.tokens, exact, about.texts)),
        ("Weights kept", human_bytes, None, cost.artefact_bytes),
    )
    rows = [(term, how(plan) if plan is not None else "not planned", how(value)) for term, how, plan, value in figures]
    rows.append(("Device", "", NOT_MEASURED if cost.device == "unknown" else cost.device))
    return Section("Cost", (), columns=("what", "planned", "measured"), rows=tuple(rows))


def _limits(task: TaskEntry | None, source: SourceEntry, open_data: bool) -> Section:
    text = [
        "Research only. It has not been tested on the patients of any other hospital, nor before the outcome was known."
    ]
    if task and task.answer_told:
        text.append(ANSWER_TOLD)
    elif task and task.kind == "retrospective-text":
        text.append(
            "Retrospective text: what it read was written after the outcome, even where it tells what was known "
            "before. A prospective score may be lower."
        )
    if open_data:
        text.append("The patients are fictional and were written by a program; it says nothing about any hospital.")
    else:
        text.append(
            f"Sensitive: what was learnt from patients' words can give some of them away. Treat these weights like the "
            f"data ({source.title or 'source not recorded'}, licence {source.licence or NOT_MEASURED}): "
            "the same people, the same machines, the same agreement, and no public upload."
        )
    text.append("The terms of the base model hold, too: an adapter stands on both.")
    return Section("Limits", tuple(text))


def _lineage(about: RunRecord, environment: Mapping[str, Any]) -> Section:
    switches = environment.get("switches") or {}
    packages = ("chartune", "python", "torch", "transformers", "peft", "scikit-learn")
    stack = [
        ", ".join(
            part for part in (str(layer), layer.sha256 and f"weights sha256 {layer.sha256}", layer.foreign) if part
        )
        for layer in about.layers
    ]
    facts = {
        "Layers": "; ".join(stack) or None,
        "Parents": ", ".join(about.parents) or None,
        "Seed": about.seed,
        "Switches": "; ".join(f"{name}: {value}" for name, value in sorted(switches.items())) or None,
        "Precision": environment.get("precision"),
        "Device": environment.get("device"),
        "Versions": ", ".join(f"{name} {environment[name]}" for name in packages if environment.get(name)) or None,
        "Started": about.started,
        "Finished": about.finished,
    }
    return Section("Lineage and switches", (), stated(facts, always=("Seed", "Switches", "Versions", "Finished")))


def _method(method: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in method.items() if value is not None)


def stated(facts: Mapping[str, Any], always: Iterable[str] = ()) -> Facts:
    """Facts in order; those that must be stated are "not measured" where they are missing."""
    needed = set(always)
    known = {term: value for term, value in facts.items() if value is not None or term in needed}
    return tuple((term, NOT_MEASURED if value is None else str(value)) for term, value in known.items())
