"""`chartune export`: what a run has learnt, in a folder that stock libraries read."""

from pathlib import Path
from typing import Annotated

import typer

from chartune.cli.options import DEFAULT_STORE, JsonOption, StoreOption, emit, open_store, path_option
from chartune.log import say


def command(
    run: Annotated[str, typer.Argument(help="A finished run: fingerprint, its prefix, its name or its folder.")],
    to: Annotated[Path, path_option("--to", "The folder to write; it must be new, and in no git working tree.")],
    merged: Annotated[
        bool, typer.Option("--merged", help="The base model with all layers merged in fp32, not the layers alone.")
    ] = False,
    base: Annotated[
        str | None, typer.Option("--base", help="Where the base model is now. Default: where the run found it.")
    ] = None,
    store: StoreOption = DEFAULT_STORE,
    as_json: JsonOption = False,
) -> None:  # fmt: skip
    """Write the weights of a run for use without chartune: adapters as stock peft has them, or a merged stock model.

    Beside them lie head, labels, tokenizer, recalibration, the model card, and a loader in plain torch. The folder is
    for you alone (0700): the weights may hold patients' words. Nothing is sent anywhere.
    """
    from chartune.models.backbone import Backbone
    from chartune.runs.ledger import run_at
    from chartune.stages.exporting import WARNING, export

    opened = open_store(store)
    chosen = run_at(opened, run)
    folder = export(chosen, opened, to, merged=merged, base=Backbone(name=base) if base else None)
    say(f"warning: {WARNING}")
    files = sorted(file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file())
    result = {"run": chosen.fingerprint, "folder": str(folder), "merged": merged, "sensitivity": "restricted",
              "audited_for_memorisation": False, "files": files, "warnings": [WARNING]}  # fmt: skip
    emit(result, as_json, "\n".join([f"{folder}  (restricted: as the notes)", *(f"  {file}" for file in files)]))
