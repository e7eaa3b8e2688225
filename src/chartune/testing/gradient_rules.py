"""What every method must keep of gradients: recomputed, or of halves of a batch, they are the same."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import numpy as np
import torch
from accelerate import Accelerator
from torch import Tensor, nn

from chartune.adapters.method import Method
from chartune.adapters.stack import Fresh
from chartune.models.backbone import LocalBackbone
from chartune.models.precision import Computed
from chartune.models.readers import of_the_text
from chartune.testing.adapted import IDS, MASK, backward, shaken, stacked
from chartune.train.gradients import Gradients, draws
from chartune.train.objective import Objective


def recomputed_activations_give_the_same_gradients(base: LocalBackbone, method: Method) -> None:
    """Gradient checkpointing, both of its ways."""
    attached = shaken(stacked(base, Fresh(method=method)))
    body: Any = attached.module
    if not body.supports_gradient_checkpointing:
        return
    body.enable_input_require_grads()
    grads: list[list[Tensor]] = []
    for reentrant in (None, False, True):
        if reentrant is not None:
            body.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": reentrant})
        body.zero_grad()
        torch.manual_seed(3)
        backward(attached)
        grads.append([p.grad.clone() for p in attached.trainable().values() if p.grad is not None])
    assert grads[0]
    for other in grads[1:]:
        for own, others in zip(grads[0], other, strict=True):
            assert torch.allclose(own, others, atol=rounding(base) * max(1.0, float(own.abs().max())), rtol=0.0)


REPEATS: Final = 6
"""Times that two threads compute a gradient that must be the same each time."""


ORDER: Final = 5e-5
"""How far sums of the same numbers in fp32 are apart that are taken in another order: at most 2.3e-5 of all methods on
all families; a half that is missing or counted twice changes them by their own size."""


class _Squares(nn.Module):
    """The sum of squares of a body's hidden states, text by text."""

    def __init__(self, body: nn.Module) -> None:
        super().__init__()
        self.body = body

    def forward(self, rows: Tensor) -> Tensor:
        states = self.body(input_ids=IDS[rows], attention_mask=MASK[rows]).last_hidden_state
        return (of_the_text(states, IDS[rows]) * MASK[rows][..., None]).square().sum()


def halves_of_a_batch_give_its_gradient(base: LocalBackbone, method: Method) -> None:
    """Computed by two threads at once (`chartune.train.gradients`); in bf16, too, the same bits each time."""
    attached = shaken(stacked(base, Fresh(method=method)))
    dropout_of_the_body_off(attached.module)
    if draws(attached.module):
        return
    model = _Squares(attached.module.train())
    objective = Objective(model, lambda which, _: {"rows": torch.from_numpy(which)}, np.array([7, 4]), np.ones(2))

    def computed(precision: Computed, pool: ThreadPoolExecutor | None) -> list[Tensor]:
        model.zero_grad()
        gradients = Gradients(objective, model, Accelerator(cpu=True), precision, pool)
        loss = torch.tensor(gradients.of(np.arange(2), 0, 14, 1.0, lambda: None))
        return [loss, *(p.grad.clone() for p in attached.trainable().values() if p.grad is not None)]

    with ThreadPoolExecutor(2) as threads:
        whole, halves = computed("fp32", None), computed("fp32", threads)
        first, *others = (computed("bf16", threads) for _ in range(REPEATS))
    assert len(whole) > 1
    for own, other in zip(whole, halves, strict=True):
        assert torch.allclose(own, other, atol=ORDER * max(1.0, float(own.abs().max())), rtol=0.0)
    for other_run in others:
        assert all(torch.equal(own, other) for own, other in zip(first, other_run, strict=True))


def rounding(base: LocalBackbone) -> float:
    """How much the same product may differ where a layer learns and where it is frozen.

    Longformer gives its projections a transposed view; PyTorch multiplies that as one product where the matrix learns
    and as one per text where it is frozen (`should_fold` of at::matmul), which round differently, by 3e-6.
    """
    return 1e-5 if base.family.model_type == "longformer" else 0.0


def dropout_of_the_body_off(module: nn.Module) -> None:
    """The base's own dropout is off; that of a layer stays."""
    for name, part in module.named_modules():
        if isinstance(part, nn.Dropout) and "lora_dropout" not in name:
            part.p = 0.0
        if isinstance(getattr(part, "dropout", None), float):  # Longformer drops by a function
            part.dropout = 0.0
