"""A study: a question, and the grid of stages to answer it, as one YAML file.

    data:   {source: {kind: mimic3, folder: …}}
    shared: {finetune: {max_seq_len: 256}}                 under every stage of that kind
    stages:
      clinical: {kind: pretrain, grid: {seed: [0, 1]}}
      stacked:  {kind: finetune, grid: {seed: [0, 1], task: [mortality, diagnoses_icd9]},
                 stack: {layers: [{kind: frozen, adapter: {from: clinical}}, {kind: fresh}]}}

A stage with a grid becomes one cell for each combination. A reference `{from: clinical}` means the cell of that stage
which agrees on every axis that both have, so that seed 1 builds on seed 1. Stages run in the order written. The test
split is scored of final cells alone (`chartune.studies.final`). A stage with a `space` is searched (`chartune.search`):
its cells get the settings that do best on the validation split; with `settings_of: lora` a stage takes those that were
chosen for another, on a task, data or seeds of its own.
"""

import copy
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import product
from typing import Any, Final, Literal, Self

from pydantic import Field, model_validator

from chartune.config import Config
from chartune.errors import ConfigError
from chartune.mapping import merged, put
from chartune.names import Title, named
from chartune.search.choice import Search
from chartune.stages.catalog import stages
from chartune.studies.cell import SCORES_TEST, SETTINGS_OF, Cell
from chartune.studies.claims import Claim, wrong_with
from chartune.studies.final import final_cells
from chartune.studies.problems import together
from chartune.studies.spaces import borrowing_cell, corners, search_of, searched_cell, space_of
from chartune.tasks.prepare import AnyPreparation

SILENT: Final = ("seed", "task")
"""Axes that a run's name does not repeat: the report groups seeds, and has a part for each task."""


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
    """By name, in the order to run: a stage's fields, `grid`: path → values, and `space`: path → values, or a range, or
    `settings_of`: the name of a stage with a space. `trials`: how many its search has, where these are fewer."""
    profiles: dict[str, dict[str, Any]] = Field(default_factory=dict)
    """Other ways to ask the same question, by name: what each writes over this file (`chartune.studies.profiles`)."""
    search: Search = Search()
    """How each stage with a `space` is searched: one budget for all rows that are compared."""
    test: Literal["final-only", "all"] = "final-only"
    """Whose test split is scored: of final cells, or of all."""
    final: tuple[str | dict[str, Any], ...] = ()
    """The final stages by name, or as `{stage: lora, rank: 8}` the final cells of one. Nothing named: all are final
    where no grid has an axis but seed and task, so that there is nothing to choose among; else none is."""

    claims: dict[str, Claim] = Field(default_factory=dict)
    """What it says beforehand, by name; locked before a test split is scored, and decided in its report."""
    claims_error: float = Field(0.05, gt=0, le=0.5)
    """With what probability any of the claims may be decided falsely."""

    @model_validator(mode="after")
    def _every_cell_is_a_stage(self) -> Self:
        problems: list[tuple[str, str]] = []
        for name in self.stages:
            try:
                problems += [(cell.title(), why) for cell in self._cells_of(name) for why in self._wrong_with(cell)]
            except ValueError as error:
                problems.append((name, str(error)))
        if problems:
            raise ValueError(together(problems))
        cells = dict(enumerate(self.cells()))
        wrong = [(f"claims.{name}", why) for name, claim in self.claims.items()
                 for why in wrong_with(claim, cells)]  # fmt: skip
        if wrong:
            raise ValueError(together(wrong))
        return self

    def cells(self) -> list[Cell]:
        """Every stage of the grid, in the order to run.

        Raises:
            ValueError: `final` names what is no cell.
        """
        made = [cell for name in self.stages for cell in self._cells_of(name)]
        numbered = dict(enumerate(made))
        if self.test == "all":
            return made
        final = final_cells(numbered, self.final)
        return [replace(cell, final=number in final) for number, cell in numbered.items()]

    def stage(self, cell: Cell, made: Mapping[str, str]) -> Any:
        """The stage of a cell. made: the adapters that it refers to, by stage name."""
        filled = cell.filled(made)
        kind = str(filled.get("kind"))
        if kind not in stages:
            raise ConfigError(f"`kind` must be one of {', '.join(stages)}, but is {kind!r}.")
        return stages[kind].parse({"data": self.data, **filled})

    def _cells_of(self, name: str) -> Iterator[Cell]:
        fields = self.written(name)
        grid, space, lender = fields.pop("grid", {}), fields.pop("space", None), fields.pop(SETTINGS_OF, "")
        kind, trials = str(fields.get("kind")), fields.pop("trials", None)
        if not isinstance(grid, dict) or not all(
            isinstance(path, str) and isinstance(values, list) and values for path, values in grid.items()
        ):
            raise ValueError(f"the grid of `{name}` must map paths to lists of values, such as `seed: [0, 1, 2]`")
        if space is None and trials is not None:
            raise ValueError(f"`trials` of `{name}` are those of its search, but it has no `space`; leave them out")
        for values in product(*grid.values()):
            axes = dict(zip(grid, values, strict=True))
            asked = copy.deepcopy(fields)
            try:
                put(asked, list(axes.items()), lambda at: kind in stages and stages[kind].kind_at(asked, at))  # noqa: B023
            except ValueError as error:
                raise ValueError(f"the grid of `{name}` must lead to a field, but {error}") from None
            settings = [f"{path.rpartition('.')[2]}={value}" for path, value in axes.items() if path not in SILENT]
            asked["name"] = named(" ".join([str(asked.get("name") or name), *settings]))
            cell = Cell(name, axes, asked)
            if space is not None:
                search, seeds = search_of(name, trials, self.search), grid.get("seed", [None])
                cell = searched_cell(cell, space_of(name, space, fields, axes, search), search, seeds[0])
            yield self._borrowing(cell, lender) if lender else cell

    def written(self, name: str) -> dict[str, Any]:
        """A stage as plain data, over what its kind shares. name: of the stage."""
        own = self.stages[name]
        return merged(self.shared.get(str(own.get("kind")), {}), own)

    def _borrowing(self, cell: Cell, lender: str) -> Cell:
        """A cell with the settings of another stage's search."""
        names = list(self.stages)
        fields = self.written(lender) if lender in names[: names.index(cell.stage)] else {}
        if fields.get("space") is None:
            raise ValueError(f"`{SETTINGS_OF}: {lender}` must name a stage with a `space`, written before it")
        if cell.space is not None:
            raise ValueError(f"its own `space` chooses its settings; leave out `space` or `{SETTINGS_OF}`")
        space = space_of(lender, fields["space"], fields, fields.get("grid", {}), self.search)
        try:
            return borrowing_cell(cell, lender, space)
        except ValueError as error:
            raise ValueError(f"the settings of `{lender}` must suit it, but {error}") from None

    def _wrong_with(self, cell: Cell) -> list[str]:
        """Why a cell is no stage, or refers to none."""
        names = list(self.stages)
        early = [need for need in cell.needs() if need not in names[: names.index(cell.stage)]]
        why = [f"it refers to `{need}`, which must be a stage written before it" for need in early]
        if SCORES_TEST in cell.asked:
            why.append(f"a study says by `test` and `final` whose test split is scored; leave out `{SCORES_TEST}`")
        for asked in corners(cell):
            try:
                stage = self.stage(asked, dict.fromkeys(cell.needs(), "0" * 16))
            except ConfigError as error:
                why.append(str(error))
                continue
            varied = {*cell.axes, *cell.always()}
            why += [f"all values of `{path}` are one training: {text}" for path, text in stage.idle().items()
                    if path in varied]  # fmt: skip
        return list(dict.fromkeys(why))
