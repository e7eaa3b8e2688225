"""The dataset card: what prepared data are, whom they are about, and what may be done with them.

    dataset.json ─▶ Sections ─▶ README.md: a head of YAML as Hugging Face reads it, then words and tables

It holds choices and counts: no text of a note, no id of a patient, no name of a label but those of the two classes of a
yes-or-no task, and for real patients no count below ten.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any, Final

import yaml

from chartune.cards import Facts, Section, markdown
from chartune.disclosure import EXPLAINED, is_made_up
from chartune.quantities import human_bytes
from chartune.tasks.dataset import Dataset, TaskEntry
from chartune.tasks.flow import Cohort, cohorts, remarks_of
from chartune.tasks.subgroups import SUBGROUPS
from chartune.tasks.switches import switches

README: Final = "README.md"
"""Its file in the folder of the data."""
COLUMNS: Final = {
    "subject_id": "the patient",
    "hadm_id": "the admission, or the row",
    "split": "`train`, `validation`, `calibration` or `test`, by patient",
    "text": "what the model reads",
    "label": "the number of the label, or the numbers of all that apply; `labels` in dataset.json tells their names",
    "prediction_time": "the moment at which the prediction is made; null: not known",
    "text_time": "when the latest note of the text was charted or stored, whichever came last; null: written after "
    "the outcome, or not known",
}  # fmt: skip
"""The columns of a task with one row per example."""
WORDS: Final = ("who", "when", "seen", "question", "asked", "scored", "citation")
"""What a reader must know of a task, in the order shown."""
_KEPT: Final = {
    "dataset.json": "the facts of this card, exact and in full", "splits.parquet": "who stands in which split",
    "manifest.json": "size and SHA-256 of every file, this one included",
}  # fmt: skip
_RESTRICTED: Final = (
    "**Restricted.** This folder was made from patients' charts and is as sensitive as they are. The terms of its "
    "source hold for it and for all that is made from it, adapters included: do not share it, do not send it to a "
    "service, keep it out of repositories, and remove it when you no longer need it."
)
_FICTIONAL: Final = "The patients are fictional and were written by a program. The terms of the source hold."
_OPEN_LICENCES: Final = ("cc0-1.0", "unknown")
"""Licences that Hugging Face knows by these names; others are `other` there."""
_SIZES: Final = (0, 10**3, 10**4, 10**5, 10**6, 10**7, 10**8)
_SIZE_NAMES: Final = ("n<1K", "1K<n<10K", "10K<n<100K", "100K<n<1M", "1M<n<10M", "10M<n<100M")
_ROWS: Final = ("admissions", "examples", "pairs", "documents")
"""What a row of a table may be counted as."""
_OF_ALL: Final = ("preset", "held_out_copies", "held_out_near_copies")
"""Switches that all tasks share."""


def dataset_card(
    dataset: Dataset,
    fingerprint: str,
    files: Mapping[str, str] | None = None,
    columns: Mapping[str, str] = COLUMNS,
    parts: Mapping[str, str] | None = None,
) -> str:
    """The card as Markdown.

    Args:
        dataset: `dataset.json`.
        fingerprint: of the data.
        files: file → what it holds; None: those of prepared data.
        columns: of the examples → what they hold; empty: it has none.
        parts: split → the file of its examples, where each split has a file of its own.
    """
    title = f"{' '.join(str(dataset.source.title).split())}, prepared by chartune"
    known = _files(dataset) if files is None else files
    head = yaml.safe_dump(_head(dataset, title, parts or {}), sort_keys=False, allow_unicode=True)
    return f"---\n{head}---\n\n" + markdown(title, list(_sections(dataset, fingerprint, known, columns)))


def described(task: TaskEntry, terms: Sequence[str] = WORDS) -> dict[str, str]:
    """A task in words, term by term; what is empty is left out.

    Args:
        task: its entry in `dataset.json`.
        terms: fields of it; `question`: what is asked, and `asked`: the positive class of a yes-or-no task.
    """
    facts = task.model_dump() | {"question": task.asked, "asked": task.form.outcome(task.labels)}
    return {term: str(facts[term]) for term in terms if facts[term]}


def task_facts(task: TaskEntry) -> Facts:
    """A task of `dataset.json` in words: who, when, what is seen, what is asked, and how many labels it has."""
    labels = f"{len(task.labels):,}" if task.labels else None
    facts = described(task, (*WORDS, "kind", "answer"))
    return _known({term.capitalize(): value for term, value in facts.items()} | {"Labels": labels})


def _head(dataset: Dataset, title: str, parts: Mapping[str, str]) -> dict[str, Any]:
    source, corpus = dataset.source, dataset.corpus
    kinds = [task.form.category for task in dataset.tasks.values()]
    kinds += ["text-generation", "fill-mask"] if corpus else []
    head: dict[str, Any] = {
        "pretty_name": title, **_licence(str(source.licence)), "task_categories": list(dict.fromkeys(kinds)),
        "size_categories": [_size(dataset)], "tags": ["medical", "clinical-notes", "chartune", str(source.kind)],
    }  # fmt: skip
    if parts:
        files = [{"split": split, "path": path} for split, path in parts.items()]
        head["configs"] = [{"config_name": "default", "data_files": files}]
    return head


def _licence(licence: str) -> dict[str, str]:
    name = "-".join(licence.lower().split())
    return {"license": name} if name in _OPEN_LICENCES else {"license": "other", "license_name": name}


def _size(dataset: Dataset) -> str:
    """The size of the largest table, in the steps of Hugging Face."""
    rows = [sum(next((row[unit] for unit in _ROWS if unit in row), 0) for row in part.counts.values())
            for part in dataset.parts().values()]  # fmt: skip
    steps = zip(pairwise(_SIZES), _SIZE_NAMES, strict=True)
    return next((name for (low, high), name in steps if low <= max(rows, default=0) < high), "n>100M")


def _files(dataset: Dataset) -> dict[str, str]:
    tasks = {f"{name}.parquet": f"examples: {task.title}" for name, task in dataset.tasks.items()}
    corpus = {"corpus.parquet": "unlabelled text for adaptation"} if dataset.corpus else {}
    charts = any(task.characteristics for task in dataset.tasks.values())
    groups = {SUBGROUPS: "groups of patients that reports score apart; no model reads them"} if charts else {}
    return tasks | corpus | groups | _KEPT


def _sections(
    dataset: Dataset, fingerprint: str, files: Mapping[str, str], columns: Mapping[str, str]
) -> Iterator[Section]:
    tasks, source = dataset.tasks, dataset.source
    yield _what(dataset, fingerprint)
    yield Section("Files", columns=("file", "holds"), rows=tuple(files.items()))
    if columns and any(task.form.whole_text for task in tasks.values()):
        yield Section("Columns of the examples", columns=("column", "holds"), rows=tuple(columns.items()))
    names = [*tasks, *([None] if dataset.corpus else [])]
    for name, cohort in zip(names, cohorts(dataset), strict=True):
        yield _counted(dataset, name, cohort)
        yield _flow(name or "the corpus", cohort)
    statements = tuple(f"The source says: {remark}" for remark in remarks_of(source))
    raw = tuple((fact.file, human_bytes(fact.bytes), fact.sha256) for _, fact in sorted(source.tables.items()))
    yield Section("Raw files", statements, columns=("file", "size", "SHA-256"), rows=raw)
    others = tuple((row.file, row.sha256, row.licence) for row in dataset.inputs)
    if others:
        yield Section("Other inputs", columns=("file", "SHA-256", "licence"), rows=others)
    yield _citing(dataset, fingerprint)


def _what(dataset: Dataset, fingerprint: str) -> Section:
    source, rule = dataset.source, dataset.splits.rule
    config = dataset.config
    facts = {
        "Source": source.title, "Kind": source.kind, "Version": source.version, "Licence": source.licence,
        "Prepared data": fingerprint, "Prepared by": f"chartune {dataset.chartune}",
        "Preset": config.get("preset"),
        "Training texts that a held-out chart repeats": config.get("held_out_copies"),
        "Split rule": ", ".join(f"{name} {value}" for name, value in rule.items()),
        "Use": "research only; no decision about a patient",
    }  # fmt: skip
    statements = (_FICTIONAL,) if is_made_up(source) else (_RESTRICTED, EXPLAINED)
    return Section("What it is", statements, _known(facts))


def _counted(dataset: Dataset, name: str | None, cohort: Cohort) -> Section:
    """A task, or the corpus where there is no name: its choices, and who stands in which split."""
    chosen = switches(dataset, name) if name is None or dataset.tasks[name].config is not None else {}
    chosen_switches = "; ".join(f"{switch}: {value}" for switch, value in chosen.items() if switch not in _OF_ALL)
    facts = (*(task_facts(dataset.tasks[name]) if name else ()), *_known({"Switches": chosen_switches}))
    title = f"Task {name}: {cohort.title}" if name else f"Corpus: {cohort.title}"
    return Section(title, (), facts, ("split", *cohort.splits.columns), cohort.splits.rows)


def _flow(whose: str, cohort: Cohort) -> Section:
    silent = ", ".join(step.name for step in cohort.silent)
    return Section(
        f"Who is left out of {whose}",
        (f"These filters left nobody out{cohort.or_few}: {silent}.",) if silent else (),
        columns=("filter", "because", "left out", "left"),
        rows=tuple((step.name, step.why, ", ".join(step.removed), ", ".join(step.left)) for step in cohort.steps),
    )


def _citing(dataset: Dataset, fingerprint: str) -> Section:
    source = dataset.source
    asked = "; ".join(dict.fromkeys(str(task.citation) for task in dataset.tasks.values()))
    text = [
        f"The source, as its publisher asks: {source.title}, {source.version}.",
        *([f"Who defined the questions: {asked}."] if asked else []),
        f"These data: chartune {dataset.chartune}, data {fingerprint}. The fingerprint stands for the raw files, "
        "the split and every switch: whoever has the same gets the same.",
    ]  # fmt: skip
    return Section("How to cite", tuple(text))


def _known(facts: Mapping[str, Any]) -> Facts:
    return tuple((term, str(value)) for term, value in facts.items() if value not in (None, ""))
