"""Adapter: trained weights with their method, the base model they belong to, and where they come from.

A folder of two files that stock peft reads as well (`PeftModel.from_pretrained(AutoModel…, folder)`), and a third,
`chartune.json`, that says what peft does not: the content hash of the base model and the run that trained it. Without
the third it was trained elsewhere (see `adapters.foreign`).
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from safetensors.torch import load_file
from torch import Tensor

from chartune.adapters.fit import body_of, must_equal
from chartune.adapters.foreign import foreign_method
from chartune.adapters.method import AnyMethod, Method
from chartune.adapters.sound import adapter_headers, is_idle
from chartune.adapters.stock import CONFIG, headless, headless_name
from chartune.config import Config
from chartune.errors import AdapterError, ConfigError
from chartune.models.anatomy import anatomy_of
from chartune.models.foreign import is_plain, json_object, reading
from chartune.models.local import LocalBackbone, hashed
from chartune.models.weights import headers, write_tensors
from chartune.store import opened, write_json

WEIGHTS: Final = "adapter_model.safetensors"
LINEAGE: Final = "chartune.json"


@dataclass(frozen=True)
class Adapter:
    """A trained adapter on disk."""

    folder: Path
    """adapter_config.json, adapter_model.safetensors, chartune.json."""
    method: Method
    """The numbers that it was trained with."""
    base: str
    """The name of its base model, as saved with it."""
    base_hash: str | None
    """Content hash of its base model; None if it came from elsewhere, then names and shapes must do."""
    run: str | None
    """Fingerprint of the run that trained it; None if it came from elsewhere."""
    sha256: str
    """Of the weights: goes into the fingerprint of every stage that builds on it."""

    idle: bool = False
    """Whether it changes nothing, such as a LoRA of whose every matrix B is zero, as before training, or A."""
    state: str = ""
    """Of the layer, in the stack of the run that keeps it; empty: not recorded, or it came from elsewhere."""

    def tensors(self) -> dict[str, Tensor]:
        """Its weights, by peft's names.

        Raises:
            AdapterError: the file is damaged.
        """
        with reading("safetensors", f"{self.folder / WEIGHTS} must be whole", "train it again, or copy it again"):
            tensors = load_file(opened(self.folder / WEIGHTS))
        return tensors if self.base_hash else headless(tensors)

    def must_be_of(self, backbone: LocalBackbone) -> None:
        """Refuse an adapter of another base model, by content hash where one is recorded.

        Raises:
            AdapterError: it was trained on another one.
        """
        if self.base_hash and self.base_hash not in (backbone.content_hash, backbone.former_hash):
            raise AdapterError(
                f"an adapter must be used on the base model that it was trained on, but "
                f"{self.folder.parent.name} belongs to {self.base_hash[:12]} and {backbone.name} is "
                f"{backbone.content_hash[:12]}; name its own base, or train one on this."
            )

    def must_fit(self, backbone: LocalBackbone) -> None:
        """Refuse an adapter of another base model: by content hash if recorded, and by names and shapes.

        Raises:
            AdapterError: it was trained on another base model.
        """
        self.must_be_of(backbone)
        body, whose = body_of(backbone), f"{self.folder}, an adapter of {self.base},"
        anatomy = anatomy_of(body)
        self.method.must_suit(body, anatomy, whose)
        held = {name: header.shape for name, header in headers([self.folder / WEIGHTS]).items()}
        if not self.base_hash:
            held = {inner: shape for name, shape in held.items() if (inner := headless_name(name))}
        must_equal(self.method.shapes(body, anatomy), held, whose)

    def warning(self) -> str | None:
        """What its user should know before a run is begun; None: nothing."""
        if not self.idle:
            return None
        return (
            f"{self.folder} changes nothing, because {self.method.idle}: it was not trained, or not "
            f"saved whole; a stack on it is a stack on the base alone"
        )


def read_adapter(folder: Path) -> Adapter:
    """Open an adapter that chartune wrote, or one that stock peft wrote.

    Raises:
        AdapterError: files are missing, it holds a pickle, its method cannot be read exactly, or its numbers are none.
    """
    _must_be_there(folder)
    weights = folder / WEIGHTS
    for name in (CONFIG, WEIGHTS, LINEAGE):
        if (folder / name).is_file():
            opened(folder / name)  # of a finished run: as it was signed
    tensors = adapter_headers(weights)
    foreign = not is_plain(folder / LINEAGE)
    try:
        method, base, base_hash, run, state = (
            (*foreign_method(folder, tensors), None, None, "") if foreign else _own(folder)
        )
    except ConfigError as error:  # a number of its configuration is out of range: its author's error, not the caller's
        raise AdapterError(str(error)) from None
    method.must_hold(tensors, weights)
    return Adapter(folder, method, base, base_hash, run, hashed(weights).sha256, is_idle(weights, method), state)


def _must_be_there(folder: Path) -> None:
    if (folder / "adapter_model.bin").exists():
        raise AdapterError(
            f"adapter weights must be safetensors (a pickle can run code), but {folder} holds adapter_model.bin; ask "
            f"its author to save it again with peft's safe_serialization=True, or train it again; if {WEIGHTS} lies "
            f"beside it, remove the .bin."
        )
    for name in (CONFIG, WEIGHTS):
        if not is_plain(folder / name):
            below = sorted(inner.parent for inner in folder.glob(f"*/{CONFIG}"))
            raise AdapterError(
                f"an adapter must have {name}, but {folder} has not; "
                + (f"did you mean {' or '.join(map(str, below[:3]))}?" if below else
                   "point at the adapter/ folder of a finished run, or at a folder that peft saved.")
            )  # fmt: skip


class _Kept(Config):
    """What chartune.json says of the method."""

    method: AnyMethod


def _own(folder: Path) -> tuple[Method, str, str, str | None, str]:
    """Method, base with its hash, run and state, as chartune wrote them."""
    about = json_object(folder / LINEAGE)
    base, run = about.get("base"), about.get("run")
    named = isinstance(base, dict) and isinstance(base.get("name"), str) and isinstance(base.get("content_hash"), str)
    if not named or not isinstance(run, str | None) or not isinstance(about.get("method"), dict):
        raise AdapterError(f"{folder / LINEAGE} must state method, base and run, but it is damaged; train it again.")
    method = _Kept.parse({"method": about["method"]}, str(folder / LINEAGE)).method
    return method, str(about["base"]["name"]), str(about["base"]["content_hash"]), run, str(about.get("state", ""))


def write_adapter(
    folder: Path,
    tensors: dict[str, Tensor],
    method: Method,
    backbone: LocalBackbone,
    lineage: dict[str, Any],
) -> None:
    """Write an adapter in stock peft's layout.

    Args:
        folder: made if needed.
        tensors: weights by peft's names, without the adapter's own name.
        method: the numbers that it was trained with.
        backbone: its base model.
        lineage: further facts for `chartune.json`, such as `run` and `state`.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    _write_config(folder, method, backbone)
    write_tensors(folder / WEIGHTS, tensors)
    base = {"name": backbone.name, "content_hash": backbone.content_hash, "licence": backbone.licence}
    write_json(
        folder / LINEAGE,
        {"method": method.as_kept().model_dump(mode="json"), "base": base, "sensitivity": "restricted", **lineage},
    )


def _write_config(folder: Path, method: Method, backbone: LocalBackbone) -> None:
    """What stock peft reads; of a method that it does not know, only which it is."""
    body = body_of(backbone)
    config = method.to_peft(body, anatomy_of(body))
    if config is None:
        write_json(folder / CONFIG, {"peft_type": method.kind.upper(), "base_model_name_or_path": backbone.name})
        return
    config.base_model_name_or_path = backbone.name
    config.inference_mode = True
    for field in ("target_modules", "feedforward_modules"):  # peft's own sets have another order in each process
        names = getattr(config, field, None)
        if names and not isinstance(names, str):
            setattr(config, field, sorted(names))
    config.save_pretrained(str(folder))
