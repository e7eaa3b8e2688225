"""Virtual tokens before a text: padding, packed texts, positions, where they start, stock peft's, and each other."""

from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PromptEncoder, PromptEncoderConfig, PromptTuningConfig, get_peft_model
from torch import Tensor, nn
from transformers import AutoModelForCausalLM

from chartune.adapters.method import Method
from chartune.adapters.p_tuning import PTuning
from chartune.adapters.prefix import Prefix
from chartune.adapters.prompt import Prompt
from chartune.adapters.stack import Attached, Fresh, Stack, attach
from chartune.errors import AdapterError
from chartune.models.backbone import LocalBackbone
from chartune.models.load import load_body
from chartune.models.numerics import Resolved
from chartune.models.readers import LanguageModel, of_the_text
from chartune.testing.stock_layers import must_be_a_layer
from chartune.testing.twins import twin

pytestmark = pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing:FutureWarning")  # stock peft's old name
IDS = torch.tensor([[5, 9, 22, 40, 7, 8, 301]])
METHODS = [Prompt(tokens=3), PTuning(tokens=3, hidden=8)]
ATTENTION = ["eager", "sdpa"]


def prompted(base: LocalBackbone, *methods: Method, attention: Any = "eager", tokenise: Any = None) -> Attached:
    body = load_body(base, Resolved("cpu", "fp32", attention, "a test")).module
    layers = tuple(Fresh(method=method) for method in methods)
    return attach(Stack(layers=layers), body, [None] * len(methods), 1, tokenise)


def states(module: nn.Module, ids: Tensor, **given: Tensor) -> Tensor:
    """Of the text, [B, T, D]."""
    module.eval()
    with torch.no_grad():
        return of_the_text(module(input_ids=ids, **given).last_hidden_state, ids)


@pytest.mark.parametrize("attention", ATTENTION)
@pytest.mark.parametrize("model_type", ["llama", "gpt2", "bert", "roberta", "distilbert"])
def test_padding_changes_nothing(twins: Path, model_type: str, attention: str) -> None:
    module = prompted(twin(twins, model_type), Prompt(tokens=3), attention=attention).module
    pad = torch.full((1, 4), int(module.config.pad_token_id or 0))  # type: ignore[union-attr, arg-type]
    ones, zeros = torch.ones_like(IDS), torch.zeros(1, 4, dtype=torch.long)
    alone = states(module, IDS, attention_mask=ones)
    padded = states(module, torch.cat([IDS, pad], 1), attention_mask=torch.cat([ones, zeros], 1))
    assert torch.allclose(padded[:, : IDS.shape[1]], alone, atol=1e-5)


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.kind)
@pytest.mark.parametrize("attention", ATTENTION)
@pytest.mark.parametrize("model_type", ["llama", "gpt2", "opt"])
def test_packed_texts_read_the_virtual_tokens_and_not_each_other(
    twins: Path, model_type: str, attention: Any, method: Method
) -> None:
    base = twin(twins, model_type)
    body = load_body(base, Resolved("cpu", "fp32", attention, "a test"), language_model=True)
    module = attach(Stack(layers=(Fresh(method=method),)), body.module, [None], seed=1).module
    model: LanguageModel = body.language_model(module).eval()

    def nats(ids: Tensor, places: Tensor) -> Tensor:
        last = (places[0, 1:] == 0).nonzero().flatten()  # the last token of a text predicts nothing
        predicting = torch.tensor([at for at in range(ids.shape[1] - 1) if at not in last.tolist()])
        with torch.no_grad():
            return model.nll(ids, places, predicting)

    one, two = IDS[:, :4], IDS[:, 4:]
    together = nats(IDS, torch.tensor([[0, 1, 2, 3, 0, 1, 2]]))
    apart = torch.cat([nats(one, torch.arange(4)[None]), nats(two, torch.arange(3)[None])])
    assert torch.allclose(together, apart, atol=1e-5)
    without = load_body(base, Resolved("cpu", "fp32", attention, "a test"), language_model=True)
    model = without.language_model(without.module).eval()
    assert not torch.allclose(nats(IDS, torch.tensor([[0, 1, 2, 3, 0, 1, 2]])), together, atol=1e-3)


@pytest.mark.parametrize("model_type", ["llama", "gpt2"])
def test_a_single_text_with_positions_is_read_as_one_without(twins: Path, model_type: str) -> None:
    module = prompted(twin(twins, model_type), Prompt(tokens=3)).module
    alone = states(module, IDS, attention_mask=torch.ones_like(IDS))
    assert torch.allclose(states(module, IDS, position_ids=torch.arange(7)[None]), alone, atol=1e-5)


@pytest.mark.parametrize("model_type", ["llama", "bert"])
def test_the_tokens_of_a_text_are_a_text(twins: Path, model_type: str) -> None:
    base, text = twin(twins, model_type), [4, 30, 2]
    started = Prompt(tokens=3, start="text", text="as it is")
    module = prompted(base, started, tokenise=lambda _: text).module
    plain = prompted(base).module
    whole = torch.cat([torch.tensor([text]), IDS], 1)
    assert torch.allclose(states(module, IDS), states(plain, whole)[:, 3:], atol=1e-6)


def test_a_text_is_repeated_or_cut_and_must_have_tokens(llama: LocalBackbone) -> None:
    for text, expected in (([7], [7, 7, 7]), ([5, 6], [5, 6, 5]), ([1, 2, 3, 4], [1, 2, 3])):
        attached = prompted(llama, Prompt(tokens=3, start="text"), tokenise=lambda _, text=text: text)
        table = attached.module.get_input_embeddings().weight  # type: ignore[operator]
        assert torch.equal(attached.tensors(0)["prompt_embeddings"], table[expected])
    with pytest.raises(AdapterError, match="must have tokens"):
        prompted(llama, Prompt(start="text", text="x"), tokenise=lambda _: [])


def test_it_starts_in_the_vocabulary_or_at_random(llama: LocalBackbone) -> None:
    drawn = prompted(llama, Prompt(tokens=3))
    table = drawn.module.get_input_embeddings().weight  # type: ignore[operator]
    rows = drawn.tensors(0)["prompt_embeddings"]
    assert all((table == row).all(1).any() for row in rows)
    assert prompted(llama, Prompt(tokens=50, start="random")).tensors(0)["prompt_embeddings"].std() > 0.9


def test_two_prompts_and_a_prefix_stand_in_one_stack(llama: LocalBackbone) -> None:
    two, one = prompted(llama, Prompt(tokens=2), Prompt(tokens=1)), prompted(llama, Prompt(tokens=3))
    rows = torch.cat([two.tensors(1)["prompt_embeddings"], two.tensors(0)["prompt_embeddings"]])  # the upper one first
    one.methods[0].restore(one.module, "layer0", {"prompt_embeddings": rows})
    ones = torch.ones_like(IDS)
    assert torch.allclose(
        states(two.module, IDS, attention_mask=ones), states(one.module, IDS, attention_mask=ones), atol=1e-6
    )
    for methods in ((Prefix(tokens=2), Prompt(tokens=3)), (Prompt(tokens=3), Prefix(tokens=2))):
        both = prompted(llama, *methods)
        before = states(both.module, IDS, attention_mask=ones)
        for index in range(2):
            other = prompted(llama, *methods)
            moved = {name: tensor + 0.5 for name, tensor in other.tensors(index).items()}
            other.methods[index].restore(other.module, f"layer{index}", moved)
            assert not torch.allclose(states(other.module, IDS, attention_mask=ones), before, atol=1e-3)


@pytest.mark.parametrize("config", [PromptTuningConfig, PromptEncoderConfig])
def test_what_stock_peft_trained_is_a_layer(llama: LocalBackbone, tmp_path: Path, config: Any) -> None:
    further = {"encoder_hidden_size": 8} if config is PromptEncoderConfig else {}
    stock = get_peft_model(
        AutoModelForCausalLM.from_pretrained(llama.folder),
        config(task_type="CAUSAL_LM", num_virtual_tokens=3, **further),
    )
    must_be_a_layer(stock, llama, tmp_path, Prompt(tokens=3))


@pytest.mark.parametrize(
    ("method", "count"),
    [
        (PTuning(tokens=1, hidden=256), 2_171_392),
        (PTuning(tokens=20, network="lstm", hidden=256, layers=4), 16_093_696),
        (Prompt(tokens=15), 61_440),
        (Prompt(tokens=10), 40_960),
    ],
    ids=lambda value: value.title() if isinstance(value, Method) else str(value),
)
def test_the_counts_are_those_of_p1(method: Method, count: int) -> None:
    body = nn.Module()
    table = nn.Embedding(32_000, 4096, device="meta")
    body.get_input_embeddings = lambda: table  # type: ignore[assignment]
    assert method.count(body, None) == count  # type: ignore[arg-type]


def test_dropout_of_p_tuning_is_between_the_layers_of_an_lstm_and_only_while_it_learns() -> None:
    method = PTuning(tokens=3, network="lstm", hidden=8, dropout=0.5)
    network = method.maker(16)
    assert not torch.equal(network(), network())
    assert torch.equal(network.eval()(), network())
    for without in (method.still(), method.model_copy(update={"layers": 1}), PTuning(tokens=3, hidden=8, dropout=0.5)):
        other = without.maker(16)
        assert torch.equal(other(), other())
    assert PTuning(dropout=0.0).hashable() == {k: v for k, v in PTuning().hashable().items() if k != "dropout"}


def test_the_vectors_that_are_kept_of_p_tuning_are_computed_without_dropout() -> None:
    body = nn.Module()
    table = nn.Embedding(32, 16)
    body.get_input_embeddings = lambda: table  # type: ignore[assignment]
    method = PTuning(tokens=3, network="lstm", hidden=8, dropout=0.5)
    method.attach(body, None, "layer")  # type: ignore[arg-type]
    first, second = (method.state(body, "layer") for _ in range(2))
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert body.get_submodule("virtual_tokens.layer").training


@pytest.mark.parametrize("network", ["mlp", "lstm"])
def test_the_network_of_p_tuning_is_stock_pefts(network: Any) -> None:
    own = PTuning(tokens=3, network=network, hidden=8).maker(16)
    config = PromptEncoderConfig(
        task_type="CAUSAL_LM", num_virtual_tokens=3, token_dim=16, num_layers=1, num_attention_heads=1,
        num_transformer_submodules=1, encoder_reparameterization_type=network.upper(), encoder_hidden_size=8,
    )  # fmt: skip
    stock = PromptEncoder(config)
    stock.load_state_dict(own.state_dict())
    assert torch.allclose(own(), stock(torch.arange(3)), atol=1e-6)
