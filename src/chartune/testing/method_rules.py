"""What every method must keep on every family: each rule is a function of a base model and a method, and asserts.

The contract suites run them over the catalog; whoever adds a method runs them over it without writing a test.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import torch
from peft import PeftModel
from torch import Tensor
from transformers import AutoModel

from chartune.adapters.adapter import read_adapter
from chartune.adapters.merged import merged
from chartune.adapters.method import Method
from chartune.adapters.stack import Attached, Fresh, Frozen, Stack, Trainable, attach, lay
from chartune.errors import AdapterError
from chartune.models.anatomy import anatomy_of
from chartune.models.architecture import shape_of
from chartune.models.backbone import LocalBackbone
from chartune.models.meta import meta_body
from chartune.models.readers import of_the_text
from chartune.testing.adapted import (
    BESIDE,
    IDS,
    MASK,
    STEPS,
    body_of,
    hidden,
    kept,
    last_read,
    one_step,
    optimizer_of,
    shaken,
    stacked,
)
from chartune.testing.gradient_rules import (
    dropout_of_the_body_off,
    halves_of_a_batch_give_its_gradient,
    recomputed_activations_give_the_same_gradients,
    rounding,
)
from chartune.testing.twins import EXACT
from chartune.train.checkpoint import State, load_checkpoint, restore, save_checkpoint, trainable

Rule = Callable[[LocalBackbone, Method], None]


def a_fresh_layer_has_the_parameters_of_its_formula(base: LocalBackbone, method: Method) -> None:
    """And is the identity, and gives states of virtual tokens, where it says so."""
    body = body_of(base)
    before, anatomy = hidden(body), anatomy_of(body)
    count, shapes = method.count(body, anatomy), method.shapes(body, anatomy)
    attached = attach(Stack(layers=(Fresh(method=method),)), body, [None], seed=1)
    assert count > 0
    assert sum(p.numel() for p in attached.trainable().values()) == count
    assert {name: tuple(tensor.shape) for name, tensor in attached.tensors(0).items()} == shapes
    assert all(p.dtype == torch.float32 for p in attached.trainable().values())
    assert torch.allclose(hidden(body), before, atol=rounding(base), rtol=0.0) == method.starts_as_identity
    with torch.no_grad():
        states = body(input_ids=IDS, attention_mask=MASK).last_hidden_state
    assert (states.shape[1] > IDS.shape[1]) == method.lengthens_sequence


def only_its_own_parameters_get_gradients_and_all_of_them(base: LocalBackbone, method: Method) -> None:
    """Also after a step, which moves each."""
    attached = shaken(stacked(base, Fresh(method=method)))
    own = attached.trainable()
    before = {name: parameter.detach().clone() for name, parameter in attached.module.named_parameters()}
    one_step(attached, optimizer_of(attached))
    attached.must_hold()
    for name, parameter in attached.module.named_parameters():
        assert (parameter.grad is not None) == (name in own), name
        assert torch.equal(parameter, before[name]) == (name not in own), name


def a_saved_layer_reloads_exactly_and_is_quiet_when_frozen(base: LocalBackbone, method: Method) -> None:
    """Here, bit for bit; frozen, it does the same in training."""
    with TemporaryDirectory() as folder:
        expected = kept(Path(folder), base, method)
        adapter = read_adapter(Path(folder))
        adapter.must_fit(base)
        assert (adapter.method, adapter.idle) == (method.as_kept(), False)
        module = stacked(base, Frozen(adapter=folder)).module
    again = hidden(module)
    exact = rounding(base)
    assert torch.allclose(again, expected, atol=exact, rtol=0.0)
    dropout_of_the_body_off(module.train())
    with torch.no_grad():
        states = module(input_ids=IDS, attention_mask=MASK).last_hidden_state
    assert torch.allclose(of_the_text(states, IDS) * MASK[..., None], expected, atol=exact, rtol=0.0)


def stock_peft_reads_what_was_saved(base: LocalBackbone, method: Method) -> None:
    """Where peft has the method, and can run it on this architecture."""
    body = body_of(base)
    if method.misread_by_peft(body, anatomy_of(body)):
        return
    with TemporaryDirectory() as folder:
        expected = kept(Path(folder), base, method)
        stock = PeftModel.from_pretrained(AutoModel.from_pretrained(base.folder, dtype=torch.float32), folder)
    assert torch.allclose(hidden(stock), expected, atol=1e-5 * max(1.0, float(expected.abs().max())))


def it_merges_into_the_weights_or_says_why_not(base: LocalBackbone, method: Method) -> None:
    """Alone, and with a LoRA below and above: the same states from a body that holds no layer any more.

    While it is only read as well; then all comes back bit for bit.
    """
    whole = {name: parameter.shape for name, parameter in body_of(base).named_parameters()}
    fresh = Fresh(method=method)
    below = () if method.composes_with(BESIDE) else (Fresh(method=BESIDE),)
    for layers in ((fresh,), (*below, fresh, Fresh(method=BESIDE))):
        attached = shaken(stacked(base, *layers))
        attached.module.double()  # shaken layers outweigh the matrices of a small twin, and so does their rounding
        expected = hidden(attached.module)
        exact = 1e-5 * max(1.0, float(expected.abs().max()))
        with merged(attached.module):
            assert torch.allclose(hidden(attached.module), expected, atol=exact)
        attached.must_hold()
        assert torch.equal(hidden(attached.module), expected)
        if method.unmergeable:
            _must_refuse(attached.merge, method.unmergeable)
        else:
            attached.merge()
            assert {name: parameter.shape for name, parameter in attached.module.named_parameters()} == whole
        assert torch.allclose(hidden(attached.module), expected, atol=exact)


def _must_refuse(act: Callable[[], object], why: str) -> None:
    try:
        act()
    except AdapterError as error:
        assert why in str(error)  # noqa: PT017
    else:
        raise AssertionError(f"what is refused ({why}) was done")


def it_stacks_above_and_below_a_lora(base: LocalBackbone, method: Method) -> None:
    """Both layers count, just the right ones learn, what is frozen stays bit-equal; or it refuses, and says why."""
    with TemporaryDirectory() as one, TemporaryDirectory() as two:
        alone = kept(Path(one), base, method)
        lora, bare = kept(Path(two), base, BESIDE), hidden(last_read(base))
        for state in (Frozen, Trainable):
            above = stacked(base, state(adapter=one), Fresh(method=BESIDE))
            assert torch.allclose(hidden(above.module), alone, atol=1e-6 + rounding(base))
            _comes_out_and_back(above, 0, bare, base)
            _moves_just_what_learns(above, state)
            if why := method.composes_with(BESIDE):
                _must_refuse(partial(stacked, base, state(adapter=two), Fresh(method=method)), why)
            else:
                below = stacked(base, state(adapter=two), Fresh(method=method))
                _comes_out_and_back(below, 1, lora, base)
                _moves_just_what_learns(below, state)


def _comes_out_and_back(attached: Attached, index: int, expected: Tensor, base: LocalBackbone) -> None:
    """Switched off, a layer leaves what the others make of the body; afterwards all is as it was, bit for bit."""
    whole, off = hidden(attached.module), attached.without(index)
    if off is None:
        return
    with off:
        assert torch.allclose(hidden(attached.module), expected, atol=1e-6 + rounding(base))
    attached.must_hold()
    assert torch.equal(hidden(attached.module), whole)


def _moves_just_what_learns(attached: Attached, state: Any) -> None:
    before, tensors = hidden(attached.module), [attached.tensors(index) for index in range(2)]
    copies = [{name: tensor.clone() for name, tensor in layer.items()} for layer in tensors]
    for index in (1, 0) if state is Trainable else (1,):
        owned = {n: p for n, p in attached.trainable().items() if attached.methods[index].owns(n, f"layer{index}")}
        assert owned
        for parameter in owned.values():
            with torch.no_grad():  # unevenly: the norms of Gemma 3 undo what scales all alike
                parameter.add_(torch.linspace(0.1, 0.3, parameter.numel()).view_as(parameter))
        assert not torch.allclose(hidden(attached.module), before, atol=1e-4)
    one_step(attached, optimizer_of(attached))
    attached.must_hold()
    for index, copied in enumerate(copies):
        moved = any(not torch.equal(attached.tensors(index)[name], copied[name]) for name in copied)
        assert moved == (index == 1 or state is Trainable)


def a_checkpoint_puts_it_back(base: LocalBackbone, method: Method) -> None:
    """A run that is taken up again steps as one that was left alone, and the best weights come back."""
    first, again = shaken(stacked(base, Fresh(method=method))), stacked(base, Fresh(method=method))
    of_first, of_second = (optimizer_of(attached) for attached in (first, again))
    regime, regained = (attached.regimes(STEPS) for attached in (first, again))
    one_step(first, of_first)
    regime.stepped(0)
    best = trainable(first.module)
    assert not torch.equal(hidden(first.module), hidden(again.module))
    with TemporaryDirectory() as folder:
        save_checkpoint(Path(folder), State(step=1), first.module, of_first, best, regime.memory())
        loaded = load_checkpoint(Path(folder), again.module, of_second)
        assert loaded is not None
        regained.recall(loaded[2])
    expected = hidden(first.module)
    assert torch.equal(expected, hidden(again.module))
    for step in range(1, STEPS):
        for attached, optimizer, asked in ((first, of_first, regime), (again, of_second, regained)):
            one_step(attached, optimizer)
            asked.stepped(step)
        assert torch.equal(hidden(first.module), hidden(again.module))
    restore(again.module, best, "a test")
    assert torch.equal(hidden(again.module), expected)


def it_attaches_without_memory(base: LocalBackbone, method: Method) -> None:
    """On the meta device, as the planner does it, with the same parameters."""
    body = meta_body(shape_of(base), base.family, EXACT).module
    layers = (*([] if method.composes_with(BESIDE) else [Fresh(method=BESIDE)]), Fresh(method=method))
    drawn = lay(Stack(layers=layers), body, [None] * len(layers), seed=1)
    real = stacked(base, *layers)
    assert {p.device.type for p in drawn.trainable().values()} == {"meta"}
    assert {n: p.shape for n, p in drawn.trainable().items()} == {n: p.shape for n, p in real.trainable().items()}


RULES: Final[tuple[Rule, ...]] = (
    a_fresh_layer_has_the_parameters_of_its_formula,
    only_its_own_parameters_get_gradients_and_all_of_them,
    a_saved_layer_reloads_exactly_and_is_quiet_when_frozen,
    stock_peft_reads_what_was_saved,
    it_merges_into_the_weights_or_says_why_not,
    it_stacks_above_and_below_a_lora,
    a_checkpoint_puts_it_back,
    it_attaches_without_memory,
    recomputed_activations_give_the_same_gradients,
    halves_of_a_batch_give_its_gradient,
)
