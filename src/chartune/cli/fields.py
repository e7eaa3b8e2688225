"""`chartune fields`: what can be set of a stage, of the preparation of its data, or of a search."""

from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Annotated

import typer

from chartune.cli.options import JsonOption, emit, one_of
from chartune.config_fields import REQUIRED

if TYPE_CHECKING:
    from chartune.config_fields import Settable

STAGES = ("pretrain", "finetune", "tfidf", "structured", "prior", "ensemble", "prompted")
PREPARE, SEARCH = "prepare", "search"


def command(
    stage: Annotated[
        str,
        typer.Argument(
            parser=one_of(STAGES, (PREPARE, SEARCH)),
            metavar="|".join((*STAGES, PREPARE, SEARCH)),
            help="Whose fields are listed.",
        ),
    ],
    as_json: JsonOption = False,
) -> None:
    """List every field that --set, a config or a study can set: path, what it takes, its default, what it is.

    In brackets: the kind of method, layer, source or task that has the field. The data of a stage are the fields of
    `prepare`, behind `data.` or without it. Those of `search` stand in a study, under that name.
    """
    rows = _rows(stage)
    emit({"stage": stage, "fields": [asdict(row) for row in rows]}, as_json, "\n".join(_line(row) for row in rows))


def _rows(stage: str) -> "list[Settable]":
    from chartune.config_fields import settable
    from chartune.search.choice import Search
    from chartune.stages.catalog import stages
    from chartune.tasks.prepare import AnnotatedPreparation, Preparation

    if stage in stages:
        return settable(stages[stage], ("data",))
    if stage == SEARCH:
        return settable(Search)
    annotated = (replace(row, where=f"annotated {row.where}".rstrip()) for row in settable(AnnotatedPreparation))
    return [*settable(Preparation), *annotated]


def _line(row: "Settable") -> str:
    kind = f"  [{row.where}]" if row.where else ""
    default = "must be given" if row.default == REQUIRED else f"default {row.default}"
    return f"{row.path}{kind}\n    {row.takes}; {default}\n    {row.about}".rstrip()
