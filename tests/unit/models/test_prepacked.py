"""Where matrices are prepacked, and that the product is the same."""

from pathlib import Path

import pytest
import torch
from torch import nn

from chartune.models import prepacked as module
from chartune.models.prepacked import is_faster, prepacked, vendor_of

AMD = "processor\t: 0\nvendor_id\t: AuthenticAMD\nmodel name\t: AMD EPYC\n"


@pytest.mark.parametrize("bias", [True, False])
def test_a_prepacked_matrix_multiplies_as_the_matrix_does(bias: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if not hasattr(torch.ops.mkldnn, "_linear_pointwise"):
        pytest.skip("PyTorch was built without oneDNN")
    monkeypatch.setattr(module, "is_faster", lambda: True)
    matrix = nn.Linear(48, 33, bias=bias).requires_grad_(False)
    product, states = prepacked(matrix), torch.randn(2, 7, 48)
    assert product is not None
    with torch.inference_mode():
        torch.testing.assert_close(product(states), matrix(states), atol=1e-6, rtol=1e-5)
        torch.testing.assert_close(product(states[0]), matrix(states[0]), atol=1e-6, rtol=1e-5)
    for other in (
        nn.Linear(4, 4, dtype=torch.bfloat16),
        nn.Sequential(nn.Linear(4, 4)),
        nn.Linear(4, 4, device="meta"),
    ):
        assert prepacked(other) is None


@pytest.mark.parametrize(
    ("about", "capability", "faster"),
    [(AMD, "AVX512", True), (AMD, "AVX2", False), (AMD.replace("AuthenticAMD", "GenuineIntel"), "AVX512", False),
     ("processor: 0\n", "AVX512", False)],
)  # fmt: skip
def test_matrices_are_prepacked_by_the_processor(
    about: str, capability: str, faster: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not hasattr(torch.ops.mkldnn, "_linear_pointwise"):
        pytest.skip("PyTorch was built without oneDNN")
    (tmp_path / "cpuinfo").write_text(about)
    monkeypatch.setattr(module, "PROCESSOR", tmp_path / "cpuinfo")
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: capability)
    monkeypatch.setattr(torch.backends.mkl, "is_available", lambda: True)
    assert is_faster.__wrapped__() is faster
    monkeypatch.setattr(torch.backends.mkl, "is_available", lambda: False)
    assert not is_faster.__wrapped__()
    monkeypatch.setattr(module, "is_faster", lambda: False)
    assert prepacked(nn.Linear(4, 4)) is None
    assert vendor_of(AMD) == "AuthenticAMD"
