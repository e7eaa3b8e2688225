"""`chartune audit-data`: what prepared data give away, before anybody believes a score."""

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
        str, typer.Argument(help="Prepared data by fingerprint or its beginning. Default: the only ones.")
    ] = "",
    base: Annotated[
        list[str] | None,
        typer.Option("--base", help="Count tokens with this base model and tell what it has read. Repeatable."),
    ] = None,
    corpus: Annotated[
        str | None,
        typer.Option("--corpus", help="Other prepared data whose corpus a model is adapted on before it is asked."),
    ] = None,
    sets: SetOption = None,
    store: StoreOption = DEFAULT_STORE,
    exact_counts: ExactOption = False,
    as_json: JsonOption = False,
) -> None:
    """Look for what makes scores too good: shared patients, copied text, phrases and codes that tell the answer.

    Counts, shares and phrases that ten patients share, never an id or another word of a note. Exit code 3 where no
    score would mean anything: a patient who is asked about is learnt from, or half of a held-out text stands in one
    training text; a text is later than its prediction, was let in although it tells the answer, or has a phrase that is
    the answer. The audit is kept in the store; asking again takes no time.
    """
    from chartune.models.backbone import Backbone
    from chartune.stages.audit import LeakageAudit, audit, read_audit
    from chartune.tasks.dataset import read_dataset

    opened = open_store(store)
    settings = LeakageAudit.parse(overridden({}, sets, LeakageAudit))
    other = find_data(opened, corpus) if corpus else None
    bases = [Backbone(name=one) for one in base or ()]
    data = find_data(opened, name)
    artefact = audit(data, opened, settings, bases, other, exact_counts)
    found, source = read_audit(artefact), read_dataset(data).source
    whole: dict[str, Any] = {"audit": artefact.fingerprint, "folder": str(artefact.path), **found.to_json()}
    emit_figures(whole, as_json, told(artefact.fingerprint, found), source, exact_counts)
    found.must_pass()


def told(fingerprint: str, audit: "Audit") -> str:
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
        *_found("patients in two places that must not share any", people, len(audit.patients)),
        *_found(f"held-out texts in training texts ({shares})", copied, len(audit.copies)),
        *_found("held-out texts too short, or too much boilerplate, to be judged", unjudged, len(audit.copies)),
        f"  {_RULE.format(limits.boilerplate)}",
        *(line for one in audit.examples for line in _task(one)),
        *(f"{one.name}: {one.exposure.text}; tokens {one.tokens}" for one in audit.bases),
        *([] if audit.bases else ["tokens: not measured, because no --base was given"]),
        "verdicts",
        *(f"  {one.standing}  {one.law}{': ' if one.told else ''}{one.told}" for one in audit.verdicts),
    ])  # fmt: skip


def _found(title: str, lines: list[str], asked: int) -> list[str]:
    return [title, *(f"  {line}" for line in lines), f"  none in {asked - len(lines)} of {asked} places"]


def _task(one: "Examples") -> list[str]:
    """What the texts of a task give away."""
    wordings = [f"{r.split} {r.wording}: {r.label} {r.present}, others {r.absent}" for r in one.wordings or ()]
    codes = [f"{row.split} {row.own}, by chance {row.by_chance}" for row in one.codes or ()]
    later = [f"{row.split} {row.section}: {row.texts}" for row in one.later]
    unasked, uncoded = "not measured: the task asks for no outcome", "not measured: its labels are no codes"
    return [
        f"{one.task} ({one.answer}, {one.times.kind})",
        *_many("phrases of the outcome", wordings, unasked if one.wordings is None else "none"),
        *_phrases(one.phrases),
        *_many("codes of their labels", codes, uncoded if one.codes is None else "none"),
        *_many("sections written later", later, "none"),
        *_many("lengths", [_length(row) for row in one.lengths], "none"),
        f"  times: {_checked(one)}",
    ]


def _phrases(learnt: "Phrases | None") -> list[str]:
    """What was learnt of the phrases of the training texts."""
    if learnt is None:
        return ["  phrases learnt: not measured, because the task is no question of yes or no"]
    lines = [f"{one.phrase}: {learnt.label} {one.present}, others {one.absent}" for one in learnt.shown]
    lines += [f"{learnt.withheld} more that fewer than ten patients share"] if learnt.withheld else []
    title = f"phrases learnt, in patients, strongest first ({learnt.passed:,} of {learnt.tested:,} go along with it)"
    return _many(title, lines, "none")


def _many(title: str, lines: list[str], otherwise: str) -> list[str]:
    return [f"  {title}", *(f"    {line}" for line in lines)] if lines else [f"  {title}: {otherwise}"]


def _length(row: "Lengths") -> str:
    if row.mean is None or row.median is None:
        return f"{row.split}, {row.unit}: not shown of {row.texts} texts"
    cut = "".join(f", more than {one.tokens:,}: {one.texts}" for one in row.cut)
    return f"{row.split}, {row.unit}: mean {row.mean:,.0f}, median {row.median:,.0f}, longest {row.longest:,}{cut}"


def _checked(one: "Examples") -> str:
    if one.times.late is None:
        return "not measured, because the examples keep none of their text"
    return f"later than the prediction {one.times.late}, by {', '.join(one.times.columns)}"
