"""Every family, by its twin: what its rule says holds for what it does."""

import inspect
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import AutoModel, AutoModelForCausalLM, AutoModelForMaskedLM

from chartune.errors import AdapterError, ConfigError
from chartune.models.anatomy import anatomy_of
from chartune.models.architecture import shape_of
from chartune.models.backbone import LocalBackbone
from chartune.models.backbone import inspect as look
from chartune.models.families import Pooling
from chartune.models.heads import Head, pool
from chartune.models.language import Language
from chartune.models.load import Body, load_body, tied_and_computed
from chartune.models.load import body_of as quiet_body
from chartune.models.meta import meta_body
from chartune.models.numerics import Numerics, Resolved, resolve
from chartune.testing.twins import DECODERS, EXACT, FAMILIES, MASKED, twin

HALF = Resolved("cpu", "bf16", "eager", "a test")
WIDTH = 16
NOT_PADDING_INVARIANT = {"mobilebert"}
"""MobileBERT adds the neighbours' embeddings to each token's, those of padding too (Sun et al. 2020, §4.2)."""


@cache
def body_of(twins: Path, model_type: str) -> Body:
    """Read by several tests, changed by none."""
    body = load_body(twin(twins, model_type), EXACT)
    with torch.no_grad():  # a token of padding must not be silent
        body.module.get_input_embeddings().weight[2] = 1.0  # type: ignore[operator]
    body.module.eval()
    return body


@cache
def speaker_of(twins: Path, model_type: str) -> Body:
    return load_body(twin(twins, model_type), EXACT, language_model=True)


def texts() -> list[Tensor]:
    dice = torch.Generator().manual_seed(3)
    return [torch.randint(3, 384, (length,), generator=dice) for length in (5, 11)]


def hidden(module: Any, ids: Tensor, **given: Tensor) -> Tensor:
    with torch.no_grad():
        states: Tensor = module(input_ids=ids, **given).last_hidden_state
    return states


def padded(side: str) -> tuple[Tensor, Tensor, Tensor]:
    """Token ids, mask and positions, [2, WIDTH] each."""
    ids, mask, positions = torch.full((2, WIDTH), 2), torch.zeros(2, WIDTH).long(), torch.zeros(2, WIDTH).long()
    for row, text in enumerate(texts()):
        place = slice(WIDTH - len(text), WIDTH) if side == "left" else slice(0, len(text))
        ids[row, place], mask[row, place], positions[row, place] = text, 1, torch.arange(len(text))
    return ids, mask, positions


def pooled_alone(body: Body, how: Pooling) -> Tensor:
    rows = [text.unsqueeze(0) for text in texts()]
    return torch.cat([pool(hidden(body.module, row), torch.ones_like(row), how) for row in rows])


def pooled_together(backbone: LocalBackbone, body: Body, how: Pooling, side: str) -> Tensor:
    ids, mask, positions = padded(side)
    given = {"attention_mask": mask}
    takes = "position_ids" in inspect.signature(body.module.forward).parameters
    if side == "left" and takes and not backbone.family.numbers_after_padding:
        given["position_ids"] = positions
    return pool(hidden(body.module, ids, **given), mask, how)


@pytest.mark.parametrize("model_type", FAMILIES)
def test_only_an_encoder_lets_a_token_see_those_behind_it(twins: Path, model_type: str) -> None:
    body, ids = body_of(twins, model_type), texts()[1].unsqueeze(0)
    other = ids.clone()
    other[0, -1] = 3
    moved = (hidden(body.module, ids)[0, 0] - hidden(body.module, other)[0, 0]).abs().max()
    assert (moved == 0) == twin(twins, model_type).family.is_decoder


@pytest.mark.parametrize("side", ["right", "left"])
@pytest.mark.parametrize("model_type", FAMILIES)
def test_padding_does_not_move_what_is_pooled(twins: Path, model_type: str, side: str) -> None:
    backbone, body = twin(twins, model_type), body_of(twins, model_type)
    for how in {"first", "last", "mean"} if model_type != "mobilebert" else {"mean"}:
        moved = (pooled_together(backbone, body, how, side) - pooled_alone(body, how)).abs().max()  # type: ignore[arg-type]
        assert (moved > 1e-4) == (model_type in NOT_PADDING_INVARIANT)
        assert moved < 2e-6 or model_type in NOT_PADDING_INVARIANT


@pytest.mark.parametrize("model_type", FAMILIES)
def test_the_head_reads_what_has_read_everything_and_fits_the_body(twins: Path, model_type: str) -> None:
    backbone, body = twin(twins, model_type), body_of(twins, model_type)
    assert Head().pooling_for(backbone.family) == ("last" if backbone.family.is_decoder else "mean")
    assert hidden(body.module, texts()[0].unsqueeze(0)).shape[-1] == body.hidden_size


def predicting(rows: int, length: int) -> Tensor:
    """Places of all tokens that have a successor in their row."""
    return torch.arange(rows * length).view(rows, length)[:, :-1].flatten()


@pytest.mark.parametrize("model_type", DECODERS)
def test_the_loss_of_a_language_model_is_that_of_transformers(twins: Path, model_type: str) -> None:
    body, ids = speaker_of(twins, model_type), torch.stack([texts()[1], texts()[1].flip(0)])
    stock = AutoModelForCausalLM.from_pretrained(twin(twins, model_type).folder, dtype=torch.float32)
    positions = torch.arange(ids.shape[1]).expand_as(ids)
    with torch.no_grad():
        ours = body.language_model(body.module).nll(ids, positions, predicting(*ids.shape)).mean()
        assert torch.allclose(ours, stock(input_ids=ids, labels=ids).loss, atol=2e-6)


@pytest.mark.parametrize(
    "model_type",
    [pytest.param(name, marks=[] if name in ("bert", "distilbert", "modernbert") else pytest.mark.slow)
     for name in MASKED],
)  # fmt: skip
def test_the_loss_of_a_masked_language_model_is_that_of_transformers(twins: Path, model_type: str) -> None:
    """Its head learns only where all learns, is tied as it was, and is described alike without memory."""
    backbone = twin(twins, model_type, masked=True)
    body = load_body(backbone, EXACT, language_model=True)
    model = body.language_model(body.module).eval()
    ids, mask, positions = padded("right")
    places = torch.tensor([1, 3, WIDTH + 2, WIDTH + 7, WIDTH + 10])
    targets, labels = torch.tensor([9, 300, 41, 5, 77]), torch.full((2 * WIDTH,), -100)
    labels[places] = targets
    stock = AutoModelForMaskedLM.from_pretrained(backbone.folder, dtype=torch.float32, attn_implementation="eager")
    with torch.no_grad():
        ours = model.nll(ids, positions, places, targets).mean()
        theirs = stock.eval()(input_ids=ids, attention_mask=mask, labels=labels.view_as(ids)).loss
    assert abs(float(ours - theirs)) < 1e-6
    assert model.head_parameters == 0
    assert not any(parameter.requires_grad for parameter in model.parameters())
    assert sum(p.numel() for p in model.parameters()) == sum(p.numel() for p in stock.parameters())
    planned = meta_body(shape_of(backbone), backbone.family, EXACT, language_model=True)
    assert planned.language == body.language
    shapes = [{name: p.shape for name, p in each.language_model(each.module).named_parameters()}
              for each in (body, planned)]  # fmt: skip
    assert shapes[0] == shapes[1]


@pytest.mark.parametrize("model_type", DECODERS)
def test_packed_texts_do_not_see_each_other(twins: Path, model_type: str) -> None:
    body, (one, two) = speaker_of(twins, model_type), texts()
    model = body.language_model(body.module)
    ids, alone = torch.cat([one, two]).unsqueeze(0), two.unsqueeze(0)
    positions = torch.cat([torch.arange(len(one)), torch.arange(len(two))]).unsqueeze(0)
    with torch.no_grad():
        packed = model.nll(ids, positions, predicting(1, ids.shape[1]))[len(one) :]
        single = model.nll(alone, positions[:, len(one) :], predicting(1, len(two)))
    assert torch.allclose(packed, single, atol=5e-6)
    assert body.language.apart == ("mask" if model_type in ("opt", "falcon") else "positions")
    backbone = twin(twins, model_type)
    assert meta_body(shape_of(backbone), backbone.family, EXACT, language_model=True).language == body.language


@pytest.mark.parametrize("model_type", FAMILIES)
def test_frozen_matrices_are_read_as_bf16_and_nothing_else_is(
    twins: Path, monkeypatch: pytest.MonkeyPatch, model_type: str
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr("chartune.models.load.round_matrices", lambda *_: None)
        exact, body = body_of(twins, model_type), load_body(twin(twins, model_type), HALF)
    for name, weight in load_body(twin(twins, model_type), EXACT).module.named_parameters():
        read = body.module.get_parameter(name)
        assert torch.equal(read, weight.to(read.dtype))
    found = anatomy_of(body.module)
    kinds = {name: parameter.dtype for name, parameter in body.module.named_parameters()}
    assert {kinds[f"{name}.weight"] for name in found.matrices} == {torch.bfloat16}
    assert {kinds[f"{name}.weight"] for name in (*found.norms, *found.embeddings)} <= {torch.float32}
    ids = texts()[1].unsqueeze(0)
    with torch.autocast("cpu", torch.bfloat16):
        near = hidden(body.module.eval(), ids)
    assert torch.allclose(near.float(), hidden(exact.module, ids), atol=0.05, rtol=0.05)


@pytest.mark.parametrize("model_type", FAMILIES)
def test_a_base_draws_no_dropout_while_it_is_trained(twins: Path, model_type: str) -> None:
    shape, ids = shape_of(twin(twins, model_type)), texts()[1].unsqueeze(0)
    dropping = {name: 0.5 for name, value in shape.to_dict().items() if isinstance(value, float) and "drop" in name}
    for name in dropping:
        setattr(shape, name, 0.5)
    model = AutoModel.from_config(shape)
    module = quiet_body(model, EXACT, Language(), language_model=False, trains_all=True).module.train()
    assert torch.equal(hidden(module, ids), hidden(module, ids))
    assert {name: model.config.to_dict()[name] for name in dropping} == dropping  # as it will be saved


@pytest.mark.parametrize("model_type", FAMILIES)
def test_a_base_without_one_of_its_matrices_is_refused(twins: Path, tmp_path: Path, model_type: str) -> None:
    for file in twin(twins, model_type).folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    tensors, matrix = load_file(tmp_path / "model.safetensors"), anatomy_of(body_of(twins, model_type).module).matrices
    save_file(
        {name: tensor for name, tensor in tensors.items() if not name.endswith(f"{matrix[-1]}.weight")},
        tmp_path / "model.safetensors", metadata={"format": "pt"},
    )  # fmt: skip
    with pytest.raises(AdapterError, match="lacks 1, "):
        look(tmp_path, name="x", licence="none", exposure="none")


def meta_of(backbone: LocalBackbone) -> Body:
    return meta_body(shape_of(backbone), backbone.family, HALF, language_model=backbone.family.is_decoder)


@pytest.mark.parametrize("model_type", FAMILIES)
def test_a_bf16_checkpoint_in_shards_is_an_ordinary_base(twins: Path, tmp_path: Path, model_type: str) -> None:
    backbone = twin(twins, model_type)
    body = load_body(backbone, EXACT, language_model=backbone.family.is_decoder)
    for file in backbone.folder.iterdir():
        if "token" in file.name:
            (tmp_path / file.name).write_bytes(file.read_bytes())
    body.whole.to(torch.bfloat16).save_pretrained(tmp_path, max_shard_size="20KB")
    found = look(tmp_path, name="x", licence="none", exposure="none")
    assert len(found.weights) > 1
    assert found.content_hash != backbone.content_hash
    again = load_body(found, EXACT).module
    half = load_body(found, HALF, language_model=backbone.family.is_decoder)
    types = {name: weight.dtype for name, weight in meta_of(found).whole.named_parameters()}
    for name, weight in body.whole.named_parameters():
        assert torch.equal(half.whole.get_parameter(name), weight.to(types[name]))
    for name, weight in body.module.named_parameters():
        assert torch.equal(again.get_parameter(name), weight.float())


@pytest.mark.parametrize("model_type", FAMILIES)
def test_an_import_knows_what_a_checkpoint_may_lack(twins: Path, model_type: str) -> None:
    backbone = twin(twins, model_type)
    ties, _ = tied_and_computed(backbone.folder, backbone.family)
    assert all(isinstance(name, str) for name in ties)


@pytest.mark.parametrize("model_type", FAMILIES)
def test_fused_attention_is_chosen_only_where_there_is_one(twins: Path, model_type: str) -> None:
    backbone = twin(twins, model_type)
    chosen = resolve(Numerics(precision="fp32"), 512, fused=backbone.family.fused)
    assert chosen.attention == ("sdpa" if backbone.family.fused else "eager")
    with torch.no_grad():
        states = hidden(load_body(backbone, chosen).module, texts()[0].unsqueeze(0))
    assert states.isfinite().all()


def test_fused_attention_that_is_asked_for_in_vain_is_refused() -> None:
    with pytest.raises(ConfigError, match="choose `auto` or `eager`"):
        resolve(Numerics(attention="sdpa"), 512, fused=False)


def test_a_language_model_that_does_more_to_its_logits_is_refused(twins: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nn.Linear, "forward", _warped(nn.Linear.forward))
    with pytest.raises(AdapterError, match="scaled or capped"):
        load_body(twin(twins, "llama"), EXACT, language_model=True)


def _warped(forward: Any) -> Any:
    """The head's result differs from one call to the next."""
    calls = iter(range(10**6))
    return lambda self, x: forward(self, x) + (next(calls) if self.out_features == 384 else 0)
