"""Several processes of one training, as torchrun starts them: the first does the stage, the others join its steps.

    first    stage ─▶ training ──"join"──▶ steps, evaluations ─▶ rest of the stage ──"done"──▶ run
    others   wait ────────────────▶ same stage, up to its training ─▶ steps ─▶ wait ────────▶ the same run

Each takes its share of every step (`chartune.train.plan`), and DDP adds the gradients up. The first alone holds the
lease, reads the validation split, and writes: checkpoints, events, the run. What the others would write goes to a
folder that is thrown away.
"""

import re
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Final, TypeVar

import torch
from accelerate import PartialState
from accelerate.utils import broadcast_object_list
from torch.distributed import DistError
from torch.distributed.rendezvous import rendezvous

from chartune.errors import ConfigError, RunError
from chartune.launched import processes, rank

Answer = TypeVar("Answer")
PATIENCE: Final = timedelta(days=7)
"""How long processes wait for each other: an evaluation or a scoring may take hours."""
MEETING: Final = timedelta(minutes=10)
"""How long they wait for each other at first."""
LOST: Final = re.compile(r"gloo|nccl|connection (was )?(closed|reset|refused)", re.IGNORECASE)
"""In what libraries say when another process is gone."""


@dataclass(frozen=True)
class Join:
    """What the first process says of a training that begins."""

    checkpoints: Path
    """Of the run."""
    budget: int
    """Padded tokens of a micro-batch."""


class Ended(BaseException):
    """The training that a process has joined has ended; what follows is done by the first."""


_together = False
_joined: Join | None = None


def done_together(stage: Callable[[], Answer]) -> Answer:
    """Do a stage by all processes that were started together; each gets what the first has made of it.

    Args:
        stage: does it, or finds it done.

    Raises:
        ConfigError: they do not know of each other.
        RunError: one has not come, or has ended before the others.
    """
    global _together
    _meet()
    met = PartialState(cpu=not torch.cuda.is_available(), timeout=PATIENCE).num_processes
    if met != processes():
        raise _strangers(met)
    _together = True
    try:
        return _led(stage) if rank() == 0 else _followed(stage)
    except RuntimeError as error:
        if not (isinstance(error, DistError) or LOST.search(str(error))):
            raise
    finally:
        _together = False
    raise RunError(
        f"process {rank()} of {processes()} has lost another one; that one's message says why it has ended. Give the "
        f"same command again: it resumes from the last checkpoint."
    )


def _meet() -> None:
    """Wait until all processes are there, but no longer than `MEETING`: who has not come by then has failed.

    Raises:
        ConfigError: the environment does not say where they meet.
        RunError: one has not come.
    """
    if torch.distributed.is_initialized():
        return
    try:
        store, number, count = next(rendezvous("env://", timeout=MEETING))
    except ValueError:  # a variable is missing
        raise _strangers(1) from None
    except DistError:
        raise RunError(
            f"all {processes()} processes (WORLD_SIZE) must meet within {MEETING.total_seconds():g} seconds, but "
            f"process {rank()} has waited in vain; see the messages of the others, and start all of them again, best "
            f"by torchrun."
        ) from None
    backend = "nccl" if torch.cuda.is_available() else "gloo"
    torch.distributed.init_process_group(backend, store=store, rank=number, world_size=count, timeout=PATIENCE)


def _strangers(met: int) -> ConfigError:
    return ConfigError(
        f"processes that train together must know of each other, but WORLD_SIZE is {processes()} and {met} met; "
        f"start them by torchrun, which sets all that they need, or unset WORLD_SIZE."
    )


def _led(stage: Callable[[], Answer]) -> Answer:
    answer = stage()  # where it fails this process ends, and with it the wait of the others
    _heard("done")
    return answer


def _followed(stage: Callable[[], Answer]) -> Answer:
    while isinstance(said := _heard(None), Join):
        with _joining(said), suppress(Ended):
            stage()
    return stage()  # is found


@contextmanager
def _joining(said: Join) -> Iterator[None]:
    global _joined
    _joined = said
    try:
        yield
    finally:
        _joined = None


def must_be_first(kind: str) -> None:
    """Refuse a stage outside of the first process. Raises ConfigError: it is of a kind that one process does."""
    if rank() and not _together:
        raise ConfigError(
            f"of the stages pretraining and fine-tuning alone can be done by several processes, but {kind} was "
            f"started in process {rank()} of {processes()} (RANK, WORLD_SIZE); start it without torchrun."
        )


def take_part(stage: Callable[[Path], Any]) -> None:
    """Do a stage up to the end of its training, where this process has joined that of the first; else nothing.

    Args:
        stage: does it, and writes into a folder that is thrown away.

    Raises:
        Ended: its training is done.
        RunError: it has no training.
    """
    if _joined is None:
        return
    with tempfile.TemporaryDirectory(prefix="chartune-") as folder:
        stage(Path(folder))
    raise RunError("a process must join the training of the first, but has come to none; start all of them again.")


def begun(checkpoints: Path, budget: int) -> Join:
    """The place and the budget of a training, the same for all processes; the others are called to it.

    Args:
        checkpoints: where the first process keeps those of the run.
        budget: padded tokens of a micro-batch, by the memory that the first process saw.
    """
    if _joined is not None:
        return _joined
    here = Join(checkpoints, budget)
    return _heard(here) if _together else here


def shared(value: Answer) -> Answer:
    """What the first process has, for all of them."""
    return _heard(value) if _together else value


def agreed(asked: int | None, device: torch.device) -> int | None:
    """The signal that has asked any of the processes to end; None: none has come."""
    if not _together:
        return asked
    number = torch.tensor(asked or 0, device=device)
    torch.distributed.all_reduce(number, torch.distributed.ReduceOp.MAX)
    return int(number) or None


def _heard(said: Any) -> Any:
    """What the first process says; the others' word counts nothing."""
    return broadcast_object_list([said], from_process=0)[0]
