"""Parents: what each reference of a study means, and what is known of weights that do not exist yet.

A cell whose parent is unfinished is checked and planned with an adapter without numbers in its place, by the parent's
method and base model: as large as it will be, and learning only where it will.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from chartune.adapters.expected import Expected
from chartune.adapters.stack import Fresh
from chartune.errors import ConfigError
from chartune.stages.finetune import Finetune
from chartune.stages.inputs import find_adapter
from chartune.stages.model_stage import ModelStage
from chartune.store import Store
from chartune.studies.cell import Cell, lender, reference
from chartune.studies.study import Study

UNMADE: Final = "unmade:"
"""Begins what is written in place of an adapter that does not exist yet."""


@dataclass(frozen=True)
class Family:
    """The cells of a study by number, and which cells each refers to."""

    study: Study
    cells: Mapping[int, Cell]
    parents: Mapping[int, Mapping[str, int]]
    """Cell → stage referred to → cell of that stage."""
    lenders: Mapping[int, int] = field(default_factory=dict)
    """Cell → the searched cell whose settings it takes."""

    def children(self, number: int) -> list[int]:
        """The cells that refer to one."""
        return [child for child, needs in self.parents.items() if number in needs.values()]

    def averages(self, number: int) -> bool:
        """Whether a cell refers to runs whose predictions it averages, and not to adapters."""
        return self.cells[number].asked.get("kind") == "ensemble"

    @staticmethod
    def open_reference(need: str) -> str:
        """What stands in place of an adapter that is not in the store."""
        return f"{UNMADE}{need}"

    def stage(self, number: int, made: Mapping[str, str], asked: Cell | None = None) -> Any:
        """The stage of a cell.

        Args:
            number: of the cell.
            made: stage referred to → its adapter; what is not in it is named as unmade.
            asked: the cell with settings of its space; None: as it is.
        """
        unmade = {need: self.open_reference(need) for need in self.cells[number].needs()}
        return self.study.stage(asked or self.cells[number], {**unmade, **made})

    def expected(self, number: int, made: Mapping[str, str], store: Store) -> dict[str, Expected]:
        """The adapters that a cell refers to and that are not made, by what stands in their place in its stage.

        Args:
            number: of the cell.
            made: stage referred to → its adapter.
            store: where adapters are that parents name by themselves.

        Raises:
            ConfigError: a parent leaves no adapter that could be a layer.
        """
        stage = self.stage(number, made)
        if not isinstance(stage, Finetune):
            return {}
        missing = {need: parent for need, parent in self.parents[number].items() if need not in made}
        return {self.open_reference(need): self._leaves(parent, store) for need, parent in missing.items()}

    def _leaves(self, number: int, store: Store) -> Expected:
        """The one adapter that a cell will leave."""
        stage = self.stage(number, {})
        layers = stage.layers().layers if isinstance(stage, ModelStage) else ()
        if len(layers) != 1 or not stage.layers().placed or stage.layers().trains_all():
            raise ConfigError(
                f"a reference must mean a stage that leaves one adapter, but `{self.cells[number].stage}` leaves "
                f"{len(layers) or 'none'}{' whole model' if layers and stage.layers().trains_all() else ''}; refer to "
                f"a stage with one layer."
            )
        layer = layers[0]
        if isinstance(layer, Fresh):
            return Expected(self.cells[number].stage, layer.method.as_kept(), stage.backbone)
        below = self.expected(number, {}, store).get(layer.adapter) or find_adapter(layer.adapter, store)
        return Expected(self.cells[number].stage, below.method, stage.backbone)


def family_of(study: Study) -> tuple[Family, list[tuple[str, str]]]:
    """The cells of a study with what they refer to; and by title of a cell which reference means none, or several."""
    cells = dict(enumerate(study.cells()))
    parents: dict[int, dict[str, int]] = {}
    lenders, problems = dict[int, int](), []
    for number, cell in cells.items():
        parents[number] = {}
        try:
            source = lender(cell, cells)
            lenders |= {} if source is None else {number: source}
        except ConfigError as error:
            problems.append((cell.title(), str(error)))
        for need in cell.needs():
            try:
                parents[number][need] = reference(cell, need, cells)
            except ConfigError as error:
                problems.append((cell.title(), str(error)))
    return Family(study, cells, parents, lenders), problems
