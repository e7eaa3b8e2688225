"""`chartune show`: one run or one prepared dataset, whole."""

from typing import Annotated

import typer

from chartune.cli.figures import ExactOption, about_shown, emit_figures
from chartune.cli.options import DEFAULT_STORE, JsonOption, StoreOption, run_summary, yaml_text
from chartune.cli.prepare import cohort_text
from chartune.disclosure import is_made_up, released
from chartune.errors import ConfigError
from chartune.report.released import is_exact, scores_json, source_of
from chartune.runs.ledger import find_run
from chartune.runs.run import Run
from chartune.store import Artefact, Store


def command(
    name: Annotated[str, typer.Argument(help="A run or prepared data: fingerprint, its prefix, or a run's name.")],
    verify: Annotated[
        bool, typer.Option("--verify", help="Hash every file again and compare with the manifest.")
    ] = False,
    card: Annotated[bool, typer.Option("--card", help="Print the model card of a run, as Markdown.")] = False,
    store: StoreOption = DEFAULT_STORE,
    exact_counts: ExactOption = False,
    as_json: JsonOption = False,
) -> None:
    """Show a run's config, scores, cost and environment; or a dataset's attrition."""
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
        exact = exact_counts or is_made_up(dataset.source)
        emit_figures(
            {"data": data[0].fingerprint, "folder": str(data[0].path), **released(dataset.to_json(), exact)}, as_json,
            cohort_text(data[0].fingerprint, dataset, exact_counts), dataset.source, exact_counts,
        )  # fmt: skip
        return
    run = find_run(opened, name)
    if verify:
        Artefact("runs", run.fingerprint, run.path).verify()
    if card:
        text = _card(opened, run, exact_counts)
        emit_figures({"run": run.fingerprint, "card": text}, as_json, text.rstrip(), source_of(run), exact_counts)
        return
    whole = {
        **run_summary(run, scores_json(run, exact_counts), is_exact(run, exact_counts)),
        "about": about_shown(run, exact_counts),
        "environment": run.environment, "stage": run.stage,
    }  # fmt: skip
    emit_figures(whole, as_json, yaml_text(whole), source_of(run), exact_counts)


def _card(store: Store, run: Run, exact: bool) -> str:
    """The card as it would be written today: what may be shown of a run can have changed since it was signed."""
    from chartune.report.card import card_of, card_text
    from chartune.tasks.dataset import read_dataset

    data = store.find("data", run.data) if run.data else None
    return card_text(run.about, card_of(run, read_dataset(data) if data else None, exact))
