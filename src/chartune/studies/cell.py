"""A cell: one stage of a study's grid, its references to other cells not yet filled in."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from chartune.errors import ConfigError
from chartune.search.choice import Search
from chartune.search.space import Space

FROM: Final = "from"
SCORES_TEST: Final = "scores_test"
SEED: Final = "seed"
SETTINGS_OF: Final = "settings_of"


@dataclass(frozen=True)
class Cell:
    """One stage of the grid, its references not yet filled in."""

    stage: str
    """The name in the study that it comes from."""
    axes: Mapping[str, Any]
    """Its place in the grid: path → value."""
    asked: Mapping[str, Any]
    """The stage as plain data."""
    final: bool = True
    """Whether its test split is scored; False: it is chosen by, and shows, the validation split alone."""
    space: Space | None = None
    """What a search chooses of it; `asked` then holds the first point. None: nothing is left to choose."""
    base: Mapping[str, Any] = field(default_factory=dict)
    """Of a searched cell, or one of borrowed settings: the stage without any setting of the space."""
    search: Search | None = None
    """Of a searched cell: how that is done; the study's, or with fewer trials."""
    first_seed: Any = None
    """Of a searched cell: the seed of its trials, the first of its grid; None: that of the stage."""
    borrows: str = ""
    """The stage whose search chooses its settings, too, on a task, seed or data of its own; empty: none."""

    @property
    def name(self) -> str:
        """What its run is called in the study: the stage's name with all settings of the grid but seed and task."""
        return str(self.asked["name"])

    def needs(self) -> tuple[str, ...]:
        """The stages that it refers to."""
        return tuple(dict.fromkeys(_references(self.asked)))

    def always(self) -> tuple[str, ...]:
        """The paths of its space that are never idle."""
        return tuple(path for path, one in (self.space.dimensions.items() if self.space else ()) if not one.when)

    @property
    def trials(self) -> int:
        """Settings that its search tries at most; 1: it has none."""
        if self.space is None or self.search is None:
            return 1
        return min(self.search.trials, self.space.size or self.search.trials)

    def title(self) -> str:
        """What to call it in messages: `stacked (seed=1, task=mortality)`."""
        place = ", ".join(f"{path}={value}" for path, value in self.axes.items())
        return f"{self.stage} ({place})" if place else self.stage

    def filled(self, made: Mapping[str, str]) -> dict[str, Any]:
        """The stage with each reference replaced. made: stage name → what to write in its place."""
        asked = {name: _replaced(value, made) for name, value in self.asked.items()}
        return asked if self.final else {**asked, SCORES_TEST: False}


def reference(cell: Cell, need: str, cells: Mapping[int, Cell]) -> int:
    """The number of the one cell that a reference means.

    Args:
        cell: which refers.
        need: the name of the stage referred to.
        cells: all cells by number.

    Raises:
        ConfigError: none or several cells of that stage agree with this one on their common axes.
    """
    matches = [
        number for number, other in cells.items()
        if other.stage == need and all(other.axes[path] == cell.axes[path] for path in other.axes if path in cell.axes)
    ]  # fmt: skip
    if len(matches) != 1:
        raise ConfigError(
            f"a reference must mean one cell, but of `{need}`, to which `{cell.stage}` refers, {len(matches)} fit; "
            f"give both stages the same axis, or leave it out of `{need}`."
        )
    return matches[0]


def lender(cell: Cell, cells: Mapping[int, Cell]) -> int | None:
    """The number of the searched cell whose settings a cell takes, whatever its seed; None: it takes none.

    Raises:
        ConfigError: it takes settings of a stage without a `space`, or of one with several searches that fit.
    """
    if not cell.borrows:
        return None
    fitting = [
        number for number, other in cells.items()
        if other.stage == cell.borrows and other.space is not None
        and all(other.axes[path] == cell.axes[path] for path in other.axes if path in cell.axes and path != SEED)
    ]  # fmt: skip
    searches = {tuple(str(v) for path, v in cells[n].axes.items() if path != SEED) for n in fitting}
    if len(searches) != 1:
        raise ConfigError(
            f"`{SETTINGS_OF}` must mean one search, but of `{cell.borrows}`, which `{cell.stage}` names, "
            f"{len(searches)} fit; name a stage with a `space`, and give both the same axes."
        )
    return fitting[0]


def _references(data: Any) -> Iterator[str]:
    if isinstance(data, Mapping):
        if set(data) == {FROM}:
            yield str(data[FROM])
        else:
            for value in data.values():
                yield from _references(value)
    elif isinstance(data, (list, tuple)):
        for value in data:
            yield from _references(value)


def _replaced(data: Any, made: Mapping[str, str]) -> Any:
    if isinstance(data, Mapping):
        if set(data) == {FROM}:
            return made[str(data[FROM])]
        return {name: _replaced(value, made) for name, value in data.items()}
    return [_replaced(value, made) for value in data] if isinstance(data, (list, tuple)) else data
