"""`chartune serve`: tasks over one base model, behind HTTP on this machine."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from chartune.cli.options import DEFAULT_STORE, JsonOption, StoreOption, emit, path_option
from chartune.errors import ConfigError
from chartune.extras import installed
from chartune.log import say
from chartune.store import Store


def command(
    runs: Annotated[
        list[str] | None,
        typer.Argument(metavar="[RUN]...", help="Fine-tuned runs on one base model; each answers under its name."),
    ] = None,
    bank: Annotated[
        Path | None,
        path_option("--bank", "A YAML file of tasks in place of RUN (docs/serving.md)."),
    ] = None,
    keys: Annotated[
        Path | None,
        path_option("--keys", "Keys that requests must have (`chartune serve-key`). Default: none are needed."),
    ] = None,
    audit: Annotated[
        Path | None,
        path_option("--audit", "A file that gets a line for each request before it is answered. Default: none."),
    ] = None,
    metrics_from: Annotated[
        list[Path] | None,
        path_option("--metrics-from", "A file of `chartune monitor --metrics` that /metrics shows. Repeatable."),
    ] = None,
    host: Annotated[str, typer.Option("--host", help="A loopback address; with --keys any.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="0: any that is free.")] = 8400,
    deadline: Annotated[
        float,
        typer.Option("--deadline", min=0.1, max=86400, metavar="SECONDS", help="In which a request must be answered."),
    ] = 300.0,
    precision: Annotated[
        Literal["fp32", "bf16"],
        typer.Option("--precision", help="bf16: faster, and other notes of a batch move a probability by some 0.002."),
    ] = "fp32",
    store: StoreOption = DEFAULT_STORE,
    as_json: JsonOption = False,
) -> None:  # fmt: skip
    """Answer requests of programs on this machine: notes in, scores of several tasks out. Research only.

    Routes: POST /v1/score, GET /v1/tasks, /metrics, /livez, /readyz, /openapi.json. Without --keys nobody but this
    machine is listened to. SIGTERM ends it when all that was accepted is answered; SIGHUP reads the bank's file again.
    """
    if bool(runs) == bool(bank):
        raise ConfigError("either runs or --bank must say what is served; give one of the two.")
    with installed("serve", "`chartune serve` needs FastAPI and uvicorn"):
        from chartune.serving.asked import Limits
        from chartune.serving.listening import listen, must_be_guarded
        from chartune.serving.reloading import Reloading
    from chartune.serving.audit import AuditLog
    from chartune.serving.bank_file import BankFile, bank_of, named_runs
    from chartune.serving.keys import Keys

    known = Keys(keys) if keys else None
    must_be_guarded(host, known is not None)
    log = AuditLog(audit) if audit else None
    opened = Store(store)  # read alone: it may lie on a disk that nobody can write
    served = bank_of(BankFile.read(bank) if bank else named_runs(runs or [], opened), opened, precision)
    for task in served.tasks:
        say(f"{task.name}: {f'in batches of its own ({task.apart})' if task.apart else 'in mixed batches'}")

    def ready(address: str) -> None:
        emit({"address": address, "tasks": [task.name for task in served.tasks]}, as_json, f"serving on {address}")

    reloading = Reloading(served, bank, log) if bank else None
    listen(served, Limits(deadline=deadline), host, port, ready, known, log, reloading, metrics_from or ())
