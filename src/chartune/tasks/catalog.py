"""What can be asked: one line per task; and what is asked of a source, and learnt from it, when nobody says.

A preset sets every switch in which a published recipe departs from what chartune recommends:

                     sound                     paper-text                    paper-code
    sections         chartune                  chartune                      CORe's rules, faults included; MIMIC-IV's
                                                                             lines lose the blanks at their ends first
    withdrawn notes  left out                  kept                          kept
    copies dropped   among eligible stays      among eligible stays          among all notes
    blanks of CATEGORY  stripped               stripped                      as written
    written-out line breaks  repaired          as written                    as written
    headings         and their variants        CORe's own                    CORe's own
    stated deaths    by context                CORe's wordings               CORe's wordings, as its code finds them
    ages, times      18 or more, checked       not looked at                 not looked at
    labels           10 cases or more          the whole table               the whole table
    procedure codes  text                      text                          numbers, zeros lost
    length of stay   exact days                exact days                    tenths of a day
    early death      an answer of its own      "not prolonged"               "not prolonged"
    ventilated two days  when they are over    in hindsight                  in hindsight
    devices in MIMIC-IV  all                   with a charted flow           with a charted flow
    machine by tracheostomy in MIMIC-IV  counted  left out                   left out
    triage           with septicaemia          with septicaemia              without
    copies in held-out charts  left out        kept                          kept
    corpus near held-out texts  left out       kept                          kept
    corpus split     by patient                by note                       by note
"""

import difflib
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final, Literal, TypeAlias

from pydantic import SerializeAsAny

from chartune.errors import ConfigError
from chartune.kinds import Kinds, class_at
from chartune.mapping import merged
from chartune.notes.note import PLAIN
from chartune.sources.kinds import source_class
from chartune.tasks.admission_note import AdmissionNote
from chartune.tasks.chart_task import ChartTask
from chartune.tasks.corpus import Corpus
from chartune.tasks.diagnoses import Diagnoses
from chartune.tasks.labelled import Labelled
from chartune.tasks.length_of_stay import LengthOfStay
from chartune.tasks.mortality import Mortality
from chartune.tasks.procedures import Procedures
from chartune.tasks.prolonged_ventilation import ProlongedVentilation
from chartune.tasks.stays import Stays
from chartune.tasks.task import Task
from chartune.tasks.triage import Triage
from chartune.tasks.whole_summary import WholeSummary

TASKS: Final = {
    "mortality": "chartune.tasks.mortality:Mortality",
    "late-mortality": "chartune.tasks.late_mortality:LateMortality",
    "length-of-stay": "chartune.tasks.length_of_stay:LengthOfStay",
    "diagnoses": "chartune.tasks.diagnoses:Diagnoses",
    "procedures": "chartune.tasks.procedures:Procedures",
    "prolonged-ventilation": "chartune.tasks.prolonged_ventilation:ProlongedVentilation",
    "triage": "chartune.tasks.triage:Triage",
    "labels": "chartune.tasks.labelled:Labelled",
    "external": "chartune.tasks.external:External",
}
"""Kind → its class. A new task of a chart is a line here, and is asked by its name (`further_tasks`)."""


def task_class(kind: str) -> type[Task]:
    """The class of a task.

    Args:
        kind: a key of `TASKS`.
    """
    made: type[Task] = class_at(TASKS[kind])
    return made


AnyTask: TypeAlias = Annotated[SerializeAsAny[Task], Kinds(TASKS, task_class)]
Preset = Literal["sound", "paper-text", "paper-code"]
"""Whose switches: those that chartune recommends, those of the papers' words, those of their public code."""

_WHICH: Final = ("kind", "icd_version")
"""Fields that tell which task is meant."""
_ALL: Final = Stays(min_age=None, times="as-given")


def usual_tasks(source_kind: str, preset: Preset, *, events: bool) -> tuple[AnyTask, ...]:
    """The tasks that a source can answer: the five of P1, by version of the codes.

    Args:
        source_kind: its reader.
        preset: whose switches.
        events: whether its bedside chart is there.
    """
    if source_kind == "tabular":
        return (Labelled(),)
    versions = source_class(source_kind).icd_versions
    coded = [task for version in versions for task in _coded(source_kind, version, preset)]
    return (*_stays(source_kind, preset), *coded, *((_ventilation(source_kind, preset),) if events else ()))


def left_out(tasks: Sequence[AnyTask], source_kind: str, preset: Preset) -> tuple[str, ...]:
    """Names of the usual tasks that these lack because the bedside chart is not there; empty: others were chosen."""
    short = usual_tasks(source_kind, preset, events=False)
    if [task.kind for task in tasks] != [task.kind for task in short]:
        return ()
    return tuple(task.name for task in usual_tasks(source_kind, preset, events=True) if task not in short)


def further_tasks(source_kind: str, preset: Preset) -> tuple[AnyTask, ...]:
    """Tasks that are asked of a chart by name only: all of the catalog that are not usual. Args as `usual_tasks`."""
    if source_kind == "tabular":
        return ()
    usual = {type(task) for task in usual_tasks(source_kind, preset, events=True)}
    further = [known for known in map(task_class, TASKS) if issubclass(known, ChartTask) and known not in usual]
    own: dict[type[ChartTask], ChartTask] = {Triage: _triage(source_kind, preset)}
    return tuple(own.get(known) or _switched(known, source_kind, preset) for known in further)


def chosen_tasks(names: Sequence[str], source_kind: str, preset: Preset) -> tuple[AnyTask, ...]:
    """The tasks of these names, or of their beginnings.

    A name that a task has means that task. Else it must be the beginning of one question's tasks: `diagnoses` means
    those in ICD-9 and in ICD-10. Where one of them is the beginning of all others it is meant: `mort` is `mortality`
    and not `mortality_90d`.

    Raises:
        ConfigError: no task of the source begins so, or those of several questions do.
    """
    every = (*usual_tasks(source_kind, preset, events=True), *further_tasks(source_kind, preset))
    chosen = {task for name in names for task in _named(name.strip(), every)}
    return tuple(task for task in every if task.name in chosen)


def _named(name: str, every: Sequence[AnyTask]) -> list[str]:
    known = [task.name for task in every]
    if name in known:
        return [name]
    matches = [task for task in every if name and task.name.startswith(name)]
    if not matches:
        alike = difflib.get_close_matches(name, known, n=2, cutoff=0.5)
        meant = f" Did you mean {' or '.join(alike)}?" if alike else ""
        raise ConfigError(
            f"a task must be one of {', '.join(known)} (or the beginning of one), but got {name!r}.{meant}"
        )
    names = [task.name for task in matches]
    shortest = min(names, key=len)
    if all(other.startswith(shortest) for other in names):
        return [shortest]
    if len({task.kind for task in matches}) > 1:
        raise ConfigError(
            f"a task must be named without doubt, but {name!r} may be {' or '.join(names)}; write more of its name."
        )
    return names


def with_switches(given: Any, source_kind: str, preset: Preset) -> Any:
    """A task as plain data, with the switches of the preset where nothing is said of them; else what was given."""
    if not isinstance(given, Mapping) or source_kind == "tabular":
        return given
    every = (*usual_tasks(source_kind, preset, events=True), *further_tasks(source_kind, preset))
    known = [task.model_dump() for task in every]
    same = [task for task in known if all(task[name] == given.get(name, task[name]) for name in _WHICH if name in task)]
    return merged(same[0], given) if same else given


def usual_corpus(source_kind: str, preset: Preset) -> Corpus:
    """What a language model is adapted on; as published, patients stand on both sides of the split."""
    if source_kind == "tabular":
        return Corpus(categories=(PLAIN,))
    return Corpus() if preset == "sound" else Corpus(split="note", repeats="kept", withdrawn="kept")


def _stays(source_kind: str, preset: Preset) -> tuple[AnyTask, ...]:
    who, note = _who(preset), _note(source_kind, preset)
    days: Literal["exact", "tenths"] = "tenths" if preset == "paper-code" else "exact"
    return Mortality(stays=who, reads=note), LengthOfStay(days=days, stays=who, reads=note)


def _coded(source_kind: str, version: Literal[9, 10], preset: Preset) -> tuple[AnyTask, ...]:
    who, note = _who(preset), _note(source_kind, preset)
    labels: Literal["frequent", "whole-table"] = "frequent" if preset == "sound" else "whole-table"
    # Nobody has read codes of ICD-10 as numbers: most have letters, and a column of them stays text.
    codes: Literal["text", "numbers"] = "numbers" if preset == "paper-code" and version == 9 else "text"
    return (
        Diagnoses(icd_version=version, labels=labels, stays=who, reads=note),
        Procedures(icd_version=version, labels=labels, codes=codes, stays=who, reads=note),
    )


def _ventilation(source_kind: str, preset: Preset) -> ProlongedVentilation:
    # Adults in every preset: Clinical XLNet left out who is younger than 18.
    who = Stays(times=_who(preset).times)
    if preset == "sound":
        return ProlongedVentilation(stays=who, reads=_note(source_kind, preset))
    fourth = source_kind == "mimic4"  # MIMIC-III's rules join nothing, and count a machine through a cannula
    return ProlongedVentilation(
        cohort="in-hindsight", competing="negative", cannula="left-out" if fourth else "counted",
        oxygen_join="mimic-code" if fourth else "fixed", stays=who, reads=_note(source_kind, preset),
    )  # fmt: skip


def _triage(source_kind: str, preset: Preset) -> Triage:
    codes: Literal["fixed", "published"] = "published" if preset == "paper-code" else "fixed"
    note = _note(source_kind, preset)
    reads = WholeSummary(withdrawn=note.withdrawn, copies=note.copies, blanks=note.blanks)
    everybody = Stays(min_age=None, newborns="kept", times=_who(preset).times)
    return Triage(codes=codes, stays=everybody, reads=reads)


def _switched(task: type[ChartTask], source_kind: str, preset: Preset) -> ChartTask:
    """A task with the stays and the note of a preset, unless it has defaults of its own for them."""
    given = {"stays": _who(preset), "reads": _note(source_kind, preset)}
    fields, usual = task.model_fields, ChartTask.model_fields
    return task.parse({name: given[name] for name in given if fields[name].default == usual[name].default})


def _who(preset: Preset) -> Stays:
    return Stays() if preset == "sound" else _ALL


def _note(source_kind: str, preset: Preset) -> AdmissionNote:
    match preset:
        case "sound":
            return AdmissionNote()
        case "paper-text":
            return AdmissionNote(withdrawn="kept", headings="core", told_deaths="core-wordings")
        case "paper-code":
            sections: Literal["core", "core-stripped"] = "core-stripped" if source_kind == "mimic4" else "core"
            return AdmissionNote(
                sections=sections, withdrawn="kept", copies="among-all-notes", blanks="as-written", headings="core",
                told_deaths="core-wordings",
            )  # fmt: skip
