"""Compiled blocks: each block of a decoder becomes machine code of its own while it is trained on texts of one length.

    block.forward ─torch.compile, static shapes─▶ fused loops around the same matrix products   (C++, once; then cached)

By rule and never by a timing: compiling takes half a minute of a core and saves a share of the work that follows. Only
the micro-batch of full size in training is compiled; what is read without gradients, and a step's last rows, go through
the block as it is. Names of modules and parameters stay.
"""

import os
import re
import shutil
import subprocess
import sysconfig
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import cache
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import torch
from torch import Tensor, nn

from chartune.config import fingerprint
from chartune.errors import ConfigError, RunError
from chartune.models.anatomy import anatomy_of
from chartune.models.numerics import Numerics, Resolved
from chartune.store import COMPILED, storing

LEAST_FLOPS: Final = 1e14
"""Floating-point operations of a training (4 · parameters · tokens) from which on it is compiled: some minutes of a
core. Compiling saves 7 to 12 % of them in fp32, 20 to 30 % in bf16."""
COMPILED_FAMILIES: Final = ("llama",)
"""Whose blocks were compiled and compared; `numerics.compile=on` takes others, too."""
COMPILERS: Final = ("g++", "clang++", "c++")
COMPILER_SETTINGS: Final = {
    "torch._inductor.config": {"compile_threads": 1, "fx_graph_remote_cache": False, "autotune_remote_cache": False,
                               "bundled_autotune_remote_cache": False},
    "torch._functorch.config": {"enable_remote_autograd_cache": False},
    "torch._dynamo.config": {"automatic_dynamic_remote_pgo": False, "fail_on_recompile_limit_hit": True},
}  # fmt: skip
"""Of PyTorch, by module: it works in this process, with the cache of this machine alone, or not at all."""


def compiler() -> str:
    """The C++ compiler of this machine, by its path; empty: there is none, or it makes no module of Python."""
    asked = os.environ.get("CXX", "")
    path = next((path for name in ([asked] if asked else COMPILERS) if (path := shutil.which(name))), "")
    return path if path and _makes_modules(path) else ""


@cache
def _makes_modules(path: str) -> bool:
    """Whether a compiler finds Python's headers and C++'s, and links."""
    options = ["-x", "c++", "-shared", "-fPIC", f"-I{sysconfig.get_path('include')}", "-"]
    source = b"#include <Python.h>\n#include <cmath>\n"
    try:
        with TemporaryDirectory() as place:
            return not subprocess.run([path, *options], input=source, cwd=place, capture_output=True).returncode
    except OSError:
        return False


def compiled_by_rule(
    resolved: Resolved, numerics: Numerics, impossible: str, untried: str, flops: Callable[[], float]
) -> Resolved:
    """The numerics of a training, with compiled blocks where that is asked, possible and repaid.

    Args:
        resolved: without.
        numerics: the choice in the config.
        impossible: why its blocks cannot be compiled; empty: they can.
        untried: why nobody knows whether they can; empty: they were.
        flops: floating-point operations of the training, from what its name is made of; asked last.

    Raises:
        ConfigError: compiled blocks are chosen, and cannot be.
    """
    against, why = "", "chosen in the config"
    if numerics.compile == "off":
        against = why
    elif numerics.compile == "auto":
        against, why = impossible or untried or _not_repaid(resolved, flops) or _without_compiler(), "a long training"
    elif impossible := impossible or _without_compiler():
        raise ConfigError(
            f"compiled blocks must be possible where numerics.compile is on, but {impossible}; choose `auto`."
        )
    if against:
        return replace(resolved, reason=f"{resolved.reason}; not compiled: {against}")
    reason = f"{resolved.reason}; compiled: {why}"
    if numerics.attention != "auto" or resolved.device != "cpu":
        return replace(resolved, compiled=True, reason=reason)
    return replace(resolved, compiled=True, attention="eager", reason=f"{reason}, with eager attention")


def _not_repaid(resolved: Resolved, flops: Callable[[], float]) -> str:
    """Why compiling would not be repaid; empty: it would be."""
    if resolved.device != "cpu":
        return "measured on processors alone"
    return "" if flops() >= LEAST_FLOPS else f"a training of less than {LEAST_FLOPS:g} operations does not repay it"


def _without_compiler() -> str:
    """Why this machine cannot compile; empty: it can."""
    return "" if compiler() else "this machine has no C++ compiler that makes modules of Python"


@contextmanager
def compiled(body: nn.Module, resolved: Resolved, rows: int, root: Path) -> Iterator[None]:
    """Meanwhile the blocks of a body are compiled where they are trained on so many rows, if the numerics say so.

    Args:
        body: with its layers.
        resolved: the numerics in force.
        rows: of a whole micro-batch.
        root: of the store that keeps the machine code.

    Raises:
        RunError: a block does not compile.
        StoreError: the machine code cannot be kept.
    """
    if not resolved.compiled:
        yield
        return
    lists = {re.split(r"\.\d+\.", name)[0] for name in anatomy_of(body).matrices}
    every = [block for name in lists for block in body.get_submodule(name).children()]
    with _private_compiler(_cache(root)):
        try:
            for block in every:
                block.forward = _dispatched(block, rows)
            yield
        finally:
            for block in every:
                vars(block).pop("forward", None)  # that of its class comes to light again


def _dispatched(block: nn.Module, rows: int) -> Callable[..., Any]:
    """A block's forward pass: compiled in training on so many rows, else as it is."""
    plain = block.forward
    quick = torch.compile(plain, dynamic=False)

    def forward(*args: Any, **kwargs: Any) -> Any:
        hidden: Tensor = args[0] if args else kwargs["hidden_states"]
        if not block.training or len(hidden) != rows:
            return plain(*args, **kwargs)
        try:
            return quick(*args, **kwargs)
        except Exception as error:
            if not _of_the_compiler(error):
                raise
            why = str(error).strip().partition("\n")[0][:200]
            raise RunError(
                f"a block must compile where numerics say so, but {type(error).__name__}: {why!a}; train without: "
                f"`--set numerics.compile=off`."
            ) from error

    return forward


def _of_the_compiler(error: BaseException) -> bool:
    """Whether compiling failed, and not what was compiled."""
    return type(error).__module__.startswith(("torch._dynamo", "torch._inductor", "torch._functorch"))


def _cache(root: Path) -> Path:
    """The private folder of machine code for this PyTorch on this processor."""
    parts = {"torch": torch.__version__, "processor": dict(torch.cpu.get_capabilities()), "compiler": compiler()}
    folder = root / COMPILED / fingerprint(COMPILED, 1, parts)
    with storing(folder):
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        folder.chmod(0o700)
    return folder


@contextmanager
def _private_compiler(cache: Path) -> Iterator[None]:
    """The compiler works in this process, and reads and writes nowhere but in the cache."""
    import torch._dynamo  # takes seconds

    names = {"TORCHINDUCTOR_CACHE_DIR": str(cache), "TRITON_CACHE_DIR": str(cache / "triton")}
    before = {name: os.environ.get(name) for name in names}
    with ExitStack() as stack:
        for place, settings in COMPILER_SETTINGS.items():
            stack.enter_context(import_module(place).patch(settings))
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*torch.jit", category=DeprecationWarning)  # PyTorch's own
            import_module("torch._inductor.compile_fx")  # with its settings: else it starts processes
        stack.callback(torch._dynamo.reset)
        stack.callback(_put_back, before)
        torch._dynamo.reset()
        os.environ.update(names)
        yield


def _put_back(environment: dict[str, str | None]) -> None:
    for name, value in environment.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
