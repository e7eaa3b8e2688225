"""Adapters of strangers: each is one clear error at the door, with its cause and a way out, or it loads exactly."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import AutoModelForCausalLM

from chartune.adapters.adapter import LINEAGE, read_adapter, write_adapter
from chartune.adapters.lora import LoRA
from chartune.adapters.stack import Fresh, Stack, attach
from chartune.errors import AdapterError
from chartune.models.backbone import LocalBackbone
from chartune.models.load import load_body
from chartune.store import Store
from chartune.testing.command_line import chartune
from chartune.testing.twins import EXACT, make_twin

pytestmark = pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing:FutureWarning")  # stock peft's old name
WEIGHTS, CONFIG = "adapter_model.safetensors", "adapter_config.json"
Tensors = dict[str, Tensor]


def stock(base: Path, folder: Path, *, trained: bool = True, name: str = "default") -> Path:
    """A LoRA as stock peft saves it; untrained, its B is zero."""
    config = LoraConfig(r=4, lora_alpha=6, target_modules=["q_proj", "v_proj"])
    model = get_peft_model(AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32), config, adapter_name=name)
    with torch.no_grad():
        for key, parameter in model.named_parameters():
            if "lora_B" in key and trained:
                parameter.normal_(std=0.3, generator=torch.Generator().manual_seed(7))
    model.save_pretrained(folder, save_embedding_layers=False)
    return folder


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory, llama: LocalBackbone) -> Path:
    """Not to be written into."""
    return stock(llama.folder, tmp_path_factory.mktemp("adapter"))


@pytest.fixture
def foreign(saved: Path, tmp_path: Path) -> Path:
    """A stranger's adapter that may be spoilt."""
    for name in (WEIGHTS, CONFIG):
        (tmp_path / "foreign").mkdir(exist_ok=True)
        (tmp_path / "foreign" / name).write_bytes((saved / name).read_bytes())
    return tmp_path / "foreign"


@pytest.fixture
def own(llama: LocalBackbone, tmp_path: Path) -> Path:
    """An adapter of chartune's own that may be spoilt."""
    method, folder = LoRA(rank=4), tmp_path / "own"
    made = attach(Stack(layers=(Fresh(method=method),)), load_body(llama, EXACT).module, [None], 1)
    tensors = {name: tensor + 0.1 for name, tensor in made.tensors(0).items()}
    write_adapter(folder, tensors, method, llama, {"run": None, "state": "fresh"})
    return folder


def weighted(folder: Path, change: Callable[[Tensors], Tensors]) -> Path:
    save_file(change(load_file(folder / WEIGHTS)), folder / WEIGHTS)
    return folder


def configured(folder: Path, **fields: Any) -> Path:
    (folder / CONFIG).write_text(json.dumps(json.loads((folder / CONFIG).read_text()) | fields))
    return folder


def renamed(before: str, after: str) -> Callable[[Tensors], Tensors]:
    return lambda tensors: {name.replace(before, after): tensor for name, tensor in tensors.items()}


def first(change: Callable[[Tensor], Tensor], ending: str = "lora_A.weight") -> Callable[[Tensors], Tensors]:
    """Change the first tensor whose name ends so."""

    def changed(tensors: Tensors) -> Tensors:
        name = next(n for n in sorted(tensors) if n.endswith(ending))
        return tensors | {name: change(tensors[name]).contiguous()}

    return changed


def without_b(tensors: Tensors) -> Tensors:
    return {name: tensor for name, tensor in tensors.items() if not name.endswith("0.self_attn.q_proj.lora_B.weight")}


def with_nan(tensor: Tensor) -> Tensor:
    return tensor.index_fill(0, torch.tensor([1]), torch.nan)


UNFIT: dict[str, tuple[Callable[[Tensors], Tensors], str]] = {
    "empty": (lambda tensors: {name: torch.zeros(0) for name in tensors},
              r"must hold numbers, but .* is of shape \[0\]: it was saved empty, as under DeepSpeed"),
    "one empty": (first(lambda tensor: tensor[:, :0]), r"is of shape \[4, 0\]: it was saved empty"),
    "integers": (first(lambda tensor: tensor.to(torch.int8)), "plain floating-point numbers .* is stored as I8"),
    "another rank": (first(lambda tensor: tensor[:2]), r"r is 4 and .*lora_A\.weight' is of shape \[2, \d+\]"),
    "a vector": (first(lambda tensor: tensor[0]), r"r is 4 and .* is of shape \[\d+\]"),
    "A alone": (without_b, "must hold A and B of every matrix, but .*lora_A.weight' alone"),
    "not a number": (first(with_nan), "must hold finite numbers, but .* holds NaN or infinity: its training diverged"),
    "all zero": (lambda tensors: {name: tensor * 0 for name, tensor in tensors.items()},
                 "must hold what was learnt, but .* every number of A and of B is zero: .* its gradient is zero"),
    "infinite": (first(lambda tensor: tensor / 0, "lora_B.weight"), "holds NaN or infinity"),
}  # fmt: skip
NAMES: dict[str, tuple[Callable[[Tensors], Tensors], str]] = {
    "default": (
        renamed(".weight", ".default.weight"),
        r"`default` is the adapter's name; save it with .* take `\.default`",
    ),
    "DataParallel": (renamed("base_model.", "module.base_model."), "they were saved through DistributedDataParallel"),
    "compiled": (renamed("base_model.model.", "base_model.model._orig_mod."), "they were saved through torch.compile"),
}


@pytest.mark.parametrize("what", UNFIT | NAMES)
def test_a_foreign_adapter_that_holds_no_adapter_is_refused_with_the_cause(foreign: Path, what: str) -> None:
    change, told = (UNFIT | NAMES)[what]
    with pytest.raises(AdapterError, match=told):
        read_adapter(weighted(foreign, change))


@pytest.mark.parametrize("what", UNFIT)
def test_one_of_our_own_passes_the_same_door(own: Path, what: str) -> None:
    change, told = UNFIT[what]
    read_adapter(own)
    with pytest.raises(AdapterError, match=told):
        read_adapter(weighted(own, change))


CONFIGS: dict[str, tuple[dict[str, Any], str]] = {
    "a rank of a billion": ({"r": 10**9}, "must describe a LoRA, but:\nrank: .* got 1000000000"),
    "a rank that is not its own": ({"r": 5}, r"r is 5 and .* is of shape \[4, 32\]"),
    "a rank in words": ({"r": "four"}, "r must be a whole number, but it is text"),
    "no rank": ({"r": None}, "must have numbers r and lora_alpha"),
    "an endless alpha": ({"lora_alpha": float("inf")}, "must have numbers r and lora_alpha"),
    "an alpha beyond measure": ({"lora_alpha": 1e308}, "must describe a LoRA, but:\nalpha: .* got 1e.308"),
    "a list for a mapping": ({"auto_mapping": ["x"]}, "auto_mapping must be an object, but it is a list"),
    "an object for targets": ({"target_modules": {"a": 1}}, "target_modules must be text or a list, but it is an obj"),
    "a number of modules": ({"modules_to_save": 3}, "modules_to_save must be a list, but it is a whole number"),
    "a type that is a list": ({"peft_type": ["LORA"]}, "peft_type must be text, but it is a list"),
    "a start that is a list": ({"init_lora_weights": [1]}, "init_lora_weights must be true or false or text"),
    "too much dropout": ({"lora_dropout": 7.0}, "must describe a LoRA, but:\ndropout: "),
}


@pytest.mark.parametrize("what", CONFIGS)
def test_a_foreign_configuration_of_odd_types_is_refused_by_its_field(foreign: Path, what: str) -> None:
    fields, told = CONFIGS[what]
    with pytest.raises(AdapterError, match=told):
        read_adapter(configured(foreign, **fields))


@pytest.mark.parametrize("content", ["[" * 200_000, "[]", '{"r": ' + "[" * 90 + "]" * 90 + "}", "\x00"])
def test_a_configuration_that_is_no_plain_object_is_refused(foreign: Path, content: str) -> None:
    (foreign / CONFIG).write_text(content)
    with pytest.raises(AdapterError, match=CONFIG):
        read_adapter(foreign)


LINEAGES = ["[]", "{}", '{"method": {}, "run": 3, "base": {"name": "x", "content_hash": "y"}}', "[" * 200_000,
            '{"method": {"rank": 1000000000}, "run": null, "base": {"name": "x", "content_hash": "y"}}',
            '{"method": [], "run": null, "base": {"name": "x", "content_hash": "y"}}']  # fmt: skip


@pytest.mark.parametrize("content", LINEAGES)
def test_a_damaged_lineage_is_refused(own: Path, content: str) -> None:
    (own / LINEAGE).write_text(content)
    with pytest.raises(AdapterError, match=LINEAGE.replace(".", r"\.")):
        read_adapter(own)


def test_a_pipe_in_place_of_a_file_is_not_waited_for(foreign: Path) -> None:
    (foreign / CONFIG).unlink()
    os.mkfifo(foreign / CONFIG)
    with pytest.raises(AdapterError, match="must have adapter_config"):
        read_adapter(foreign)


def test_an_adapter_one_folder_down_is_pointed_at(foreign: Path, tmp_path: Path) -> None:
    (tmp_path / "named").mkdir()
    foreign.rename(tmp_path / "named" / "clinical")
    with pytest.raises(AdapterError, match=r"did you mean \S+/named/clinical\?$"):
        read_adapter(tmp_path / "named")
    with pytest.raises(AdapterError, match="point at the adapter/ folder of a finished run"):
        read_adapter(tmp_path / "named" / "clinical" / "none")


def test_an_adapter_of_a_wider_base_is_refused_by_its_header_before_anything_is_loaded(
    llama: LocalBackbone, tmp_path: Path, foreign: Path
) -> None:
    read_adapter(foreign).must_fit(llama)
    wide = read_adapter(stock(make_twin("llama", tmp_path / "wide", hidden_size=64), tmp_path / "adapter"))
    with pytest.raises(AdapterError, match=r"of shape \[4, 64\] where this base needs of shape \[4, 32\]"):
        wide.must_fit(llama)


def test_an_adapter_that_lacks_a_layer_is_refused_by_its_header(own: Path, llama: LocalBackbone) -> None:
    weighted(
        own, lambda tensors: {name: tensor for name, tensor in tensors.items() if ".1.self_attn.v_proj" not in name}
    )
    with pytest.raises(AdapterError, match=r"has \S+layers\.1\.self_attn\.v_proj\.lora_A\.weight none where"):
        read_adapter(own).must_fit(llama)


def test_an_adapter_bound_to_the_identity_of_an_older_version_still_fits(own: Path, llama: LocalBackbone) -> None:
    about = json.loads((own / LINEAGE).read_text())
    for told, fits in ((llama.former_hash, True), ("0" * 64, False)):
        (own / LINEAGE).write_text(json.dumps(about | {"base": about["base"] | {"content_hash": told}}))
        if fits:
            read_adapter(own).must_fit(llama)
        else:
            with pytest.raises(AdapterError, match="must be used on the base model that it was trained on"):
                read_adapter(own).must_fit(llama)


@pytest.mark.parametrize(("zero", "idle"), [("lora_A", True), ("lora_B", True), ("1.self_attn.v_proj", False)])
def test_an_adapter_without_any_product_changes_nothing(foreign: Path, zero: str, idle: bool) -> None:
    weighted(foreign, lambda tensors: {name: tensor * (zero not in name) for name, tensor in tensors.items()})
    assert read_adapter(foreign).idle is idle


def test_an_adapter_that_changes_nothing_is_warned_of_by_plan_and_finetune(
    llama: LocalBackbone, tmp_path: Path, store: Store, foreign: Path
) -> None:
    dead = stock(llama.folder, tmp_path / "dead", trained=False)
    assert (read_adapter(dead).idle, read_adapter(foreign).idle) == (True, False)
    lines = [f"{n},{'fever and cough' if n % 2 else 'a fall on stairs'} {n},{n % 2}" for n in range(1, 81)]
    (tmp_path / "notes.csv").write_text("\n".join(["subject_id,text,label", *lines]) + "\n")
    for verb in (("plan", "finetune"), ("finetune",)):
        said = chartune(
            *verb, tmp_path / "notes.csv", "--base", llama.folder, "--clinical", dead, "--method", "head-only",
            "--store", store.root, "--set", "max_seq_len=16",
        )  # fmt: skip
        assert said.code == 0, said.err
        assert "dead changes nothing, because B (or A) is zero in every matrix" in said.out + said.err
