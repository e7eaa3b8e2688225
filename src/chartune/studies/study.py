"""A study: a question, and the grid of stages to answer it, as one YAML file.

    data:   {source: {kind: mimic3, folder: …}}
    shared: {finetune: {max_seq_len: 256}}                 under every stage of that kind
    stages:
      clinical: {kind: pretrain, grid: {seed: [0, 1]}}
      stacked:  {kind: finetune, grid: {seed: [0, 1], task: [mortality, diagnoses_icd9]},
                 stack: {layers: [{kind: frozen, adapter: {from: clinical}}, {kind: fresh}]}}

A stage with a grid becomes one cell for each combination. A reference `{from: clinical}` means the cell of that stage
which agrees on every axis that both have, so that seed 1 builds on seed 1. Stages run in the order written.
"""

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any, Final, Self

from pydantic import Field, model_validator

from chartune.config import Config
from chartune.errors import ConfigError
from chartune.mapping import merged, put
from chartune.names import Title, named
from chartune.stages.catalog import stages
from chartune.tasks.prepare import AnyPreparation

FROM: Final = "from"
SILENT: Final = ("seed", "task")
"""Axes that a run's name does not repeat: the report groups seeds, and has a part for each task."""


@dataclass(frozen=True)
class Cell:
    """One stage of the grid, its references not yet filled in."""

    stage: str
    """The name in the study that it comes from."""
    axes: Mapping[str, Any]
    """Its place in the grid: path → value."""
    asked: Mapping[str, Any]
    """The stage as plain data."""

    def needs(self) -> tuple[str, ...]:
        """The stages that it refers to."""
        return tuple(dict.fromkeys(_references(self.asked)))

    def title(self) -> str:
        """What to call it in messages: `stacked (seed=1, task=mortality)`."""
        place = ", ".join(f"{path}={value}" for path, value in self.axes.items())
        return f"{self.stage} ({place})" if place else self.stage

    def filled(self, made: Mapping[str, str]) -> dict[str, Any]:
        """The stage with each reference replaced. made: stage name → what to write in its place."""
        return {name: _replaced(value, made) for name, value in self.asked.items()}


class Study(Config):
    """Stages with references between them, run in order and taken up again where they stopped."""

    title: Title
    """The heading of its report."""
    question: str = ""
    """What it is to answer, in a sentence."""
    data: AnyPreparation
    """The data of every stage that does not name `data` of its own."""
    shared: dict[str, dict[str, Any]] = Field(default_factory=dict)
    """Fields that all stages of a kind have in common, by kind; a stage's own fields go before them."""
    stages: dict[str, dict[str, Any]] = Field(min_length=1)
    """By name, in the order to run: a stage's fields, and `grid`: path → values."""

    @model_validator(mode="after")
    def _every_cell_is_a_stage(self) -> Self:
        seen: list[str] = []
        for name in self.stages:
            for cell in self._cells_of(name):
                early = [need for need in cell.needs() if need not in seen]
                if early:
                    raise ValueError(f"`{name}` refers to `{early[0]}`, which must be a stage written before it")
                self._must_parse(cell)
            seen.append(name)
        return self

    def cells(self) -> list[Cell]:
        """Every stage of the grid, in the order to run."""
        return [cell for name in self.stages for cell in self._cells_of(name)]

    def stage(self, cell: Cell, made: Mapping[str, str]) -> Any:
        """The stage of a cell. made: the adapters that it refers to, by stage name."""
        filled = cell.filled(made)
        kind = str(filled.get("kind"))
        if kind not in stages:
            raise ConfigError(f"`kind` of `{cell.stage}` must be one of {', '.join(stages)}, but is {kind!r}.")
        return stages[kind].parse({"data": self.data, **filled}, f"stage `{cell.stage}`")

    def _cells_of(self, name: str) -> Iterator[Cell]:
        own = dict(self.stages[name])
        grid = own.pop("grid", {})
        if not isinstance(grid, dict) or not all(
            isinstance(path, str) and isinstance(values, list) and values for path, values in grid.items()
        ):
            raise ValueError(f"the grid of `{name}` must map paths to lists of values, such as `seed: [0, 1, 2]`")
        kind = str(own.get("kind"))
        fields = merged(self.shared.get(kind, {}), own)
        for values in product(*grid.values()):
            axes = dict(zip(grid, values, strict=True))
            asked = copy.deepcopy(fields)
            try:
                put(asked, list(axes.items()), lambda at: kind in stages and stages[kind].kind_at(asked, at))  # noqa: B023
            except ValueError as error:
                raise ValueError(f"the grid of `{name}` must lead to a field, but {error}") from None
            settings = [f"{path.rpartition('.')[2]}={value}" for path, value in axes.items() if path not in SILENT]
            asked["name"] = named(" ".join([str(asked.get("name") or name), *settings]))
            yield Cell(name, axes, asked)

    def _must_parse(self, cell: Cell) -> None:
        try:
            self.stage(cell, dict.fromkeys(cell.needs(), "0" * 16))
        except ConfigError as error:
            raise ValueError(str(error)) from None


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
            f"a reference must mean one cell, but `{cell.title()}` refers to `{need}`, of which {len(matches)} fit; "
            f"give both stages the same axis, or leave it out of `{need}`."
        )
    return matches[0]


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
