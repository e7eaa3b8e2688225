"""`chartune audit-data`: leakage in prepared data, checked before a score is trusted."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from chartune.cli.datasets import find_data
from chartune.cli.figures import ExactOption, emit_figures
from chartune.cli.options import DEFAULT_STORE, JsonOption, SetOption, StoreOption, open_store, overridden

if TYPE_CHECKING:
    from chartune.stages.audit import Audit
    from chartune.tasks.leakage.examples import Examples
    from chartune.tasks.leakage.lengths import Lengths
    from chartune.tasks.leakage.phrases import Phrases

_RULE = (
    "share: of a text's runs of eight words, without those in texts of more than {} held-out patients; "
    "not seen: paraphrase, other languages, tables in another order"
)


def command(
    name: Annotated[
        str, typer.Argument(help="Prepared data by fingerprint or its prefix. Default: the only prepared data.")
    ] = "",
    base: Annotated[
        list[str] | None,
        typer.Option(
            "--base", help="Count tokens with this base model, and report what it was pretrained on. Repeatable."
        ),
    ] = None,
    corpus: Annotated[
        str | None,
        typer.Option("--corpus", help="Other prepared data whose corpus a model is adapted on."),
    ] = None,
    sets: SetOption = None,
    store: StoreOption = DEFAULT_STORE,
    exact_counts: ExactOption = False,
    as_json: JsonOption = False,
) -> None:
    """Audit prepared data for leakage: shared patients, near-duplicate texts, phrases and codes of the label.

    Prints counts, shares and phrases that ten patients share, never an id or another word of a note. Exit code 3 where
    no score would be valid: a held-out patient is trained on, or half of a held-out text stands in one training text; a
    text is later than its prediction, was admitted although it states the label, or has a phrase that amounts to the
    label. The audit is kept in the store and reused.
    """
    from chartune.models.backbone import Backbone
    from chartune.stages.audit import LeakageAudit, audit, read_audit
    from chartune.tasks.dataset import read_dataset

    opened = open_store(store)
    settings = LeakageAudit.parse(overridden({}, sets, LeakageAudit))
    other = find_data(opened, corpus) if corpus else None
    bases = [Backbone(name=backbone) for backbone in base or ()]
    data = find_data(opened, name)
    artefact = audit(data, opened, settings, bases, other, exact_counts)
    report, source = read_audit(artefact), read_dataset(data).source
    whole: dict[str, Any] = {"audit": artefact.fingerprint, "folder": str(artefact.path), **report.to_json()}
    emit_figures(whole, as_json, audit_text(artefact.fingerprint, report), source, exact_counts)
    report.must_pass()


def audit_text(fingerprint: str, audit: "Audit") -> str:
    """An audit as lines for a person, its verdicts last; places in which nothing was found are only counted."""
    people = [f"{row.both}  {row.law}" for row in audit.patients if row.both.some]
    copied = [
        f"{row.asked} {row.split} in {row.learnt}: contained {row.contained}, in part {row.partly}, exact {row.exact}"
        for row in audit.copies
        if row.contained.some or row.partly.some or row.exact.some
    ]
    unjudged = [f"{row.asked} {row.split} in {row.learnt}: {row.unjudged}" for row in audit.copies if row.unjudged.some]
    limits = audit.settings
    shares = f"contained: {limits.containment:.0%} or more in one text, in part: {limits.look:.0%} or more"
    return "\n".join([
        f"{audit.title}  (audit {fingerprint} of data {audit.data})",
        *_places("patients in two places that must not share any", people, len(audit.patients)),
        *_places(f"held-out texts in training texts ({shares})", copied, len(audit.copies)),
        *_places("held-out texts too short, or too much boilerplate, to be judged", unjudged, len(audit.copies)),
        f"  {_RULE.format(limits.boilerplate)}",
        *(line for item in audit.examples for line in _task(item)),
        *(f"{item.name}: {item.exposure.text}; tokens {item.tokens}" for item in audit.bases),
        *([] if audit.bases else ["tokens: not measured, because no --base was given"]),
        "verdicts",
        *(f"  {item.standing}  {item.law}{': ' if item.detail else ''}{item.detail}" for item in audit.verdicts),
    ])  # fmt: skip


def _places(title: str, lines: list[str], asked: int) -> list[str]:
    return [title, *(f"  {line}" for line in lines), f"  none in {asked - len(lines)} of {asked} places"]


def _task(examples: "Examples") -> list[str]:
    """What the texts of a task reveal of their labels."""
    wordings = [f"{r.split} {r.wording}: {r.label} {r.present}, others {r.absent}" for r in examples.wordings or ()]
    codes = [f"{row.split} {row.own}, by chance {row.by_chance}" for row in examples.codes or ()]
    later = [f"{row.split} {row.section}: {row.texts}" for row in examples.later]
    unasked, uncoded = "not measured: the task asks for no outcome", "not measured: its labels are no codes"
    return [
        f"{examples.task} ({examples.answer}, {examples.times.kind})",
        *_many("phrases of the outcome", wordings, unasked if examples.wordings is None else "none"),
        *_phrases(examples.phrases),
        *_many("codes of their labels", codes, uncoded if examples.codes is None else "none"),
        *_many("sections written later", later, "none"),
        *_many("lengths", [_length(row) for row in examples.lengths], "none"),
        f"  times: {_checked(examples)}",
    ]


def _phrases(learnt: "Phrases | None") -> list[str]:
    """What was learnt of the phrases of the training texts."""
    if learnt is None:
        return ["  phrases learnt: not measured, because the task is not binary"]
    lines = [f"{phrase.phrase}: {learnt.label} {phrase.present}, others {phrase.absent}" for phrase in learnt.shown]
    lines += [f"{learnt.withheld} more that fewer than ten patients share"] if learnt.withheld else []
    title = (
        f"phrases learnt, in patients, strongest first ({learnt.passed:,} of {learnt.tested:,} are associated with it)"
    )
    return _many(title, lines, "none")


def _many(title: str, lines: list[str], otherwise: str) -> list[str]:
    return [f"  {title}", *(f"    {line}" for line in lines)] if lines else [f"  {title}: {otherwise}"]


def _length(row: "Lengths") -> str:
    if row.mean is None or row.median is None:
        return f"{row.split}, {row.unit}: not shown of {row.texts} texts"
    cut = "".join(f", more than {limit.tokens:,}: {limit.texts}" for limit in row.cut)
    return f"{row.split}, {row.unit}: mean {row.mean:,.0f}, median {row.median:,.0f}, longest {row.longest:,}{cut}"


def _checked(examples: "Examples") -> str:
    if examples.times.late is None:
        return "not measured, because the examples keep none of their text"
    return f"later than the prediction {examples.times.late}, by {', '.join(examples.times.columns)}"
