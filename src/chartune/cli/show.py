"""`chartune show`: one run or one prepared dataset, whole."""

from typing import Annotated

import typer

from chartune.cli.options import DEFAULT_STORE, JsonOption, StoreOption, emit, run_summary, yaml_told
from chartune.cli.prepare import told
from chartune.errors import ConfigError
from chartune.runs.ledger import find_run
from chartune.runs.run import Run
from chartune.store import Artefact, Store


def command(
    name: Annotated[str, typer.Argument(help="A run or prepared data: fingerprint, its beginning, or a run's name.")],
    verify: Annotated[
        bool, typer.Option("--verify", help="Hash every file again and compare with the manifest.")
    ] = False,
    card: Annotated[bool, typer.Option("--card", help="Print the model card of a run, as Markdown.")] = False,
    store: StoreOption = DEFAULT_STORE,
    as_json: JsonOption = False,
) -> None:
    """Show what a run was asked, what it scored, what it cost and where it ran; or a dataset's attrition."""
    from chartune.tasks.dataset import read_dataset

    opened = Store(store)
    data = [a for a in opened.artefacts("data") if a.fingerprint.startswith(name)]
    if len(data) > 1:
        raise ConfigError(
            f"a name must be unique, but {len(data)} prepared datasets begin with {name}; give more digits."
        )
    if data:
        if verify:
            data[0].verify()
        dataset = read_dataset(data[0])
        emit(
            {"data": data[0].fingerprint, "folder": str(data[0].path), **dataset.to_json()},
            as_json,
            told(data[0].fingerprint, dataset),
        )
        return
    run = find_run(opened, name)
    if verify:
        Artefact("runs", run.fingerprint, run.path).verify()
    if card:
        text = _card(opened, run)
        emit({"run": run.fingerprint, "card": text}, as_json, text.rstrip())
        return
    whole = {**run_summary(run), "about": run.about, "environment": run.environment, "stage": run.stage}
    emit(whole, as_json, yaml_told(whole))


def _card(store: Store, run: Run) -> str:
    """The card as it was signed with the run; of a run that kept none, as it would be written today."""
    from chartune.report.card import MODEL_CARD, model_card
    from chartune.tasks.dataset import read_dataset

    kept = run.path / MODEL_CARD
    if kept.is_file():
        return kept.read_text(encoding="utf-8")
    data = store.find("data", run.data) if run.data else None
    return model_card(run.about, run.scores, run.cost, run.environment, read_dataset(data) if data else None)
