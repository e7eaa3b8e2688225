"""Spaces: the cells of a study whose settings a search chooses.

lora: {kind: pretrain, space: {method.rank: [2, 4, 8]}} ─▶ one cell; its trials are cells that are never final
"""

import copy
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

from chartune.config_errors import short
from chartune.mapping import put
from chartune.names import named
from chartune.search.choice import Search
from chartune.search.space import Settings, Space
from chartune.stages.catalog import stages
from chartune.studies.cell import SCORES_TEST, Cell

NO_SETTING: Final = ("seed", "task", "data", "name", "kind", SCORES_TEST)
"""Fields that say what is asked, and are no settings to choose."""
ONE_YARDSTICK: Final = {
    "pretrain": ("backbone", "max_seq_len", "notes", "validation_blocks", "held_out_blocks"),
}  # fmt: skip
"""By kind of stage: fields with which a validation score is of other tokens, so that trials could not be compared."""
DURATION: Final = "optimisation.duration"


def space_of(name: str, data: Any, fields: Mapping[str, Any], axes: Mapping[str, Any], search: Search) -> Space:
    """The space of a stage.

    Args:
        name: of the stage in its study.
        data: the space as plain data.
        fields: of the stage.
        axes: of its grid.
        search: how it is searched.

    Raises:
        ValueError: it is none, or chooses what cannot be chosen.
    """
    kind = str(fields.get("kind"))
    try:
        space = Space.parse(data)
        for path in space.dimensions:
            _must_be_a_setting(path, kind, axes)
        search.must_suit(space)
        if search.fidelity and (kind not in ("pretrain", "finetune") or any(map(_is_duration, space.dimensions))):
            raise ValueError(f"a fidelity is a share of `{DURATION}`, which the stage must have and the space must not")
    except ValueError as error:
        raise ValueError(f"the space of `{name}` cannot be searched: {error}") from None
    return space


def search_of(name: str, trials: Any, usual: Search) -> Search:
    """How a stage is searched.

    Args:
        name: of the stage in its study.
        trials: how many it has at most; None: as many as the others.
        usual: how all stages of the study are.

    Raises:
        ValueError: these are no trials, or more than the others have.
    """
    if trials is None:
        return usual
    if not isinstance(trials, int) or isinstance(trials, bool) or not 0 < trials <= usual.trials:
        raise ValueError(
            f"`trials` of `{name}` must be a whole number from 1 to {usual.trials}, as of all searches of the study, "
            f"but is {short(trials)}; write more as `search.trials`"
        )
    return Search.model_validate({**usual.model_dump(), "trials": trials})


def searched_cell(cell: Cell, space: Space, search: Search, first_seed: Any) -> Cell:
    """A cell of which a space is to be searched; it stands at the first point until something is chosen.

    Raises:
        ValueError: a path of the space does not lead to a field.
    """
    base = replace(cell, space=space, search=search, base=cell.asked, first_seed=first_seed)
    return replace(base, asked=_with(cell.asked, space.settings(space.first)))


def borrowing_cell(cell: Cell, lender: str, space: Space) -> Cell:
    """A cell that takes what the search of another stage chooses; it stands at the first point of that space.

    Raises:
        ValueError: a path of the space does not lead to a field of the cell.
    """
    return replace(cell, borrows=lender, base=cell.asked, asked=_with(cell.asked, space.settings(space.first)))


def settled(cell: Cell, settings: Settings) -> Cell:
    """A cell with the settings that its own search has chosen, or that of the stage whose settings it takes."""
    return replace(cell, asked=_with(cell.base, settings), space=None, search=None)


def trial_of(cell: Cell, settings: Settings) -> Cell:
    """A trial of a searched cell: never final, so that the test split is out of its reach."""
    asked = _with(cell.base, settings)
    seed = {} if cell.first_seed is None else {"seed": cell.first_seed}
    said = [f"{path.rpartition('.')[2]}={_short(value)}" for path, value in settings.items()]
    asked = {**asked, **seed, "name": named(" ".join([cell.name, *said]))}
    return replace(cell, asked=asked, space=None, search=None, final=False)


def corners(cell: Cell) -> Iterator[Cell]:
    """What must be possible of a cell: itself, or trials in which every value of its space stands once."""
    if cell.space is None:
        yield cell
    else:
        yield from (trial_of(cell, cell.space.settings(point)) for point in cell.space.corners())


def _must_be_a_setting(path: str, kind: str, axes: Mapping[str, Any]) -> None:
    first = path.partition(".")[0]
    if first in NO_SETTING:
        raise ValueError(f"`{path}` says what is asked, and is no setting; write it at the stage, or in its grid")
    if first in ONE_YARDSTICK.get(kind, ()):
        raise ValueError(f"with another `{path}` the validation perplexity is of other tokens; write it in the grid")
    if path in axes:
        raise ValueError(f"`{path}` is an axis of the grid, too; leave it out of one")


def _is_duration(path: str) -> bool:
    return path == DURATION or path.startswith(f"{DURATION}.")


def _with(base: Mapping[str, Any], settings: Settings) -> dict[str, Any]:
    asked: dict[str, Any] = copy.deepcopy(dict(base))
    stage = stages.get(str(asked.get("kind")))
    put(asked, list(settings.items()), lambda at: stage and stage.kind_at(asked, at))
    return asked


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
