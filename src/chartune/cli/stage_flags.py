"""Flags that describe a stage, listed once for the verbs that take them: pretrain, finetune, plan and search.

command(flags: FinetuneFlags, …) ─with_flags─▶ what typer sees: an option for each field ─▶ flags.stage() ─▶ a stage
"""

import inspect
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

import typer

from chartune.cli.base_model import based
from chartune.cli.fusions import FUSIONS, fused
from chartune.cli.methods import (
    BASELESS,
    ENSEMBLE,
    HEAD_ONLY,
    LINEAR_PROBE,
    PROMPTED,
    FinetuneMethodOption,
    PretrainMethodOption,
    fresh,
)
from chartune.cli.options import (
    DEFAULT_STORE,
    BaseOption,
    ConfigOption,
    FolderArgument,
    NameOption,
    NullMarksOption,
    PresetOption,
    SetOption,
    SourceOption,
    SplitsOption,
    StoreOption,
    one_of,
    overridden,
    path_option,
    stage_data,
)  # fmt: skip
from chartune.cli.words import BatchOption, EpochsOption, LengthOption, RankOption, RateOption, SeedOption
from chartune.config import Config, read_yaml
from chartune.errors import ConfigError

if TYPE_CHECKING:
    from chartune.runner import AnyStage, OfTask
    from chartune.stages.pretrain import Pretrain

Kind = TypeVar("Kind", bound=Config)

GeneralTextOption = Annotated[
    Path | None,
    path_option(
        "--general-text",
        "Plain text (a file, or a folder of .txt) to be read before and after: what was forgotten.",
    ),
]
ClinicalOption = Annotated[
    str | None,
    typer.Option("--clinical", metavar="RUN", help="A finished `pretrain` run (or adapter folder) to stack on."),
]
StateOption = Annotated[
    Literal["frozen", "trainable", "merged"] | None,
    typer.Option(
        "--clinical-state",
        help="Whether that adapter stays frozen (default), is trained further, or is merged into the base's weights.",
    ),
]
FusionOption = Annotated[
    str | None,
    typer.Option(
        "--fusion", parser=one_of(FUSIONS), metavar="|".join(FUSIONS),
        help="How that adapter and what is trained come together. Default: sum, both in the forward pass.",
    ),
]  # fmt: skip
TaskOption = Annotated[
    str | None,
    typer.Option("--task", "--tasks", help="Which prepared task, such as mortality or diagnoses. Default: the first."),
]
MemberOption = Annotated[
    list[str] | None,
    typer.Option("--member", metavar="RUN", help="A finished run that an ensemble averages. Repeatable, two or more."),
]
VerbArgument = Annotated[
    Literal["pretrain", "finetune"],
    typer.Argument(help="Whose stage is meant; further arguments are those that this command would get."),
]


@dataclass(frozen=True, kw_only=True)
class StageFlags:
    """What flags say of any stage; each field is one, None: not given."""

    folder: FolderArgument = None
    config: ConfigOption = None
    source: SourceOption = None
    splits: SplitsOption = None
    preset: PresetOption = None
    null_marks: NullMarksOption = None
    base: BaseOption = None
    name: NameOption = None
    seed: SeedOption = None
    epochs: EpochsOption = None
    lr: RateOption = None
    batch_size: BatchOption = None
    max_length: LengthOption = None
    rank: RankOption = None
    sets: SetOption = None
    store: StoreOption = DEFAULT_STORE

    def data(self, kind: str) -> dict[str, Any]:
        """A stage as plain data, before what flags of single kinds say. Raises ConfigError: as of `stage_data`."""
        return stage_data(
            kind, self.config, self.folder, self.source, self.splits, self.base, self.name, preset=self.preset,
            null_marks=self.null_marks,
        )  # fmt: skip

    def parsed(self, data: dict[str, Any], kind: type[Kind]) -> Kind:
        """The stage, with words and --set written over it. Raises ConfigError: it is none."""
        words = {name: getattr(self, name) for name in ("seed", "epochs", "lr", "batch_size", "max_length", "rank")}
        return kind.parse(overridden(data, self.sets, kind, words), str(self.config or ""))


@dataclass(frozen=True, kw_only=True)
class PretrainFlags(StageFlags):
    """The flags of `pretrain`."""

    method: PretrainMethodOption = None
    general_text: GeneralTextOption = None

    def stage(self) -> "Pretrain":
        """The stage that is asked for. Raises ConfigError: there is none, or its method is stated twice."""
        from chartune.stages.pretrain import Pretrain

        data = self.data("pretrain") | self._method()
        data |= {} if self.general_text is None else {"general_text": str(self.general_text)}
        return self.parsed(data | based("pretrain", data, self.sets, None, self.store), Pretrain)

    def _method(self) -> dict[str, Any]:
        if self.method is None:
            return {}
        if self.config:
            raise ConfigError(
                f"the method must be stated once, but both {self.config} and --method state it; use --set method.kind=."
            )
        return {"method": {"kind": self.method}}


@dataclass(frozen=True, kw_only=True)
class FinetuneFlags(StageFlags):
    """The flags of `finetune`."""

    method: FinetuneMethodOption = None
    clinical: ClinicalOption = None
    clinical_state: StateOption = None
    fusion: FusionOption = None
    task: TaskOption = None
    members: MemberOption = None

    def stage(self) -> "OfTask":
        """The stage that is asked for: fine-tuning, or one without a base model.

        Raises:
            ConfigError: there is none, its stack is stated twice, or a flag does not apply to it.
        """
        from chartune.stages.catalog import stages
        from chartune.stages.finetune import Finetune

        stated = read_yaml(self.config).get("kind") if self.config else None
        kind = next((each for each in (stated, self.method) if each in (*BASELESS, PROMPTED)), "finetune")
        data = self.data(kind)
        if kind in BASELESS and (self.base or self.clinical):
            raise ConfigError(
                f"{BASELESS[kind]} has neither a base model nor adapters; leave out --base and --clinical."
            )
        if kind == PROMPTED and any((self.clinical, self.clinical_state, self.fusion)):
            raise ConfigError("a prompt asks a base model as it came; leave out --clinical and --fusion.")
        data |= self._stacked(kind)
        if kind in (*BASELESS, PROMPTED):
            base = {} if kind in BASELESS else based(kind, data, self.sets, None, self.store)
            made: OfTask = self.parsed(data | base, stages[kind])  # type: ignore[assignment]
            return made
        flags = replace(self, rank=None) if self.fusion == "equal-rank" else self  # it is counted already
        return flags.parsed(data | based(kind, data, self.sets, self.clinical, self.store), Finetune)

    def _stacked(self, kind: str) -> dict[str, Any]:
        """The fields that the flags on stack and task describe."""
        if self.config and any((self.method, self.clinical, self.clinical_state, self.fusion)):
            raise ConfigError(
                f"the stack must be stated once, but both {self.config} and flags state it; use --set stack.layers.0…=."
            )
        if self.members and kind != ENSEMBLE:
            raise ConfigError("--member must be of an ensemble; add --method ensemble, or leave it out.")
        given: dict[str, Any] = {"members": self.members} if self.members else {}
        given |= {} if self.task is None else {"task": self.task}
        given |= {"head": {"start": "probe"}} if self.method == LINEAR_PROBE else {}
        if kind == "finetune" and self.fusion is not None:
            given["stack"] = {"layers": fused(
                self.fusion, self.clinical, self.clinical_state, self.method, self._equal_rank
            )}  # fmt: skip
        elif kind == "finetune" and (self.method or self.clinical):
            below = [{"kind": self.clinical_state or "frozen", "adapter": self.clinical}] if self.clinical else []
            given["stack"] = {"layers": [*below, *fresh(self.method)]}
        return given

    def _equal_rank(self, clinical: str) -> list[dict[str, Any]]:
        """One fresh LoRA of the rank of a clinical adapter and of the task's own, α/r as of the latter."""
        from chartune.adapters.lora import LoRA
        from chartune.stages.inputs import find_adapter
        from chartune.store import Store

        adapter, own = find_adapter(clinical, Store(self.store)), LoRA()
        if not isinstance(adapter.method, LoRA) or self.method not in (None, "lora"):
            raise ConfigError(
                f"--fusion equal-rank must have a LoRA below and above, but {clinical} is "
                f"{adapter.method.title()} and --method {self.method or 'lora'}; choose another fusion."
            )
        rank = adapter.method.rank + (self.rank or own.rank)
        return [{"kind": "fresh", "method": {"kind": "lora", "rank": rank, "alpha": rank * own.alpha / own.rank}}]


@dataclass(frozen=True, kw_only=True)
class EitherFlags(FinetuneFlags):
    """Those of `plan` and `search`: of the verb that is named."""

    general_text: GeneralTextOption = None

    def stage_of(self, verb: str) -> "AnyStage":
        """The stage that `pretrain` or `finetune` would get. Raises ConfigError: as there."""
        if verb == "finetune":
            if self.general_text is not None:
                raise ConfigError("general text is read by pretraining; leave out --general-text.")
            return self.stage()
        headed = (HEAD_ONLY, LINEAR_PROBE, PROMPTED, *BASELESS)
        of_task = (self.clinical, self.clinical_state, self.fusion, self.task, self.members)
        if any(of_task) or self.method in headed:
            raise ConfigError(
                f"pretraining has no stack, no head and no task; leave out --clinical, --fusion, --task, --member, and "
                f"--method {', '.join(headed)}."
            )
        return PretrainFlags(**{one.name: getattr(self, one.name) for one in fields(PretrainFlags)}).stage()


def with_flags(command: Callable[..., None]) -> Callable[..., None]:
    """A verb as typer sees it: in place of its parameter `flags` an option for each field of that."""
    own = inspect.signature(command).parameters
    kind = own["flags"].annotation
    options = [
        inspect.Parameter(one.name, inspect.Parameter.POSITIONAL_OR_KEYWORD, default=one.default, annotation=one.type)
        for one in fields(kind)
    ]

    @wraps(command)
    def called(**given: Any) -> None:
        flags = kind(**{one.name: given.pop(one.name) for one in options})
        command(flags=flags, **given)

    seen = [part for one in own.values() for part in (options if one.name == "flags" else [one])]
    called.__signature__ = inspect.Signature(seen)  # type: ignore[attr-defined]
    called.__annotations__ = {one.name: one.annotation for one in seen}
    return called
