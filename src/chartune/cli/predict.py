"""`chartune predict`: new notes, scored by a finished run."""

import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from chartune.cli.options import (
    DEFAULT_STORE,
    JsonOption,
    NullMarksOption,
    RecalibratedOption,
    StoreOption,
    emit,
    marks_of,
    open_store,
    path_argument,
    path_option,
)
from chartune.cli.words import placed
from chartune.config import override
from chartune.config_errors import short
from chartune.disclosure import shown
from chartune.errors import ConfigError, SchemaError
from chartune.log import say
from chartune.report.released import is_exact
from chartune.sources.kinds import source_class
from chartune.store import Store

STANDARD_INPUT = Path("-")
UNSAID = ("null_marks", "spellings", "title", "licence")
"""Fields of a source that have a flag, or say nothing of texts that are scored."""
MOVED = {"bf16": "by some 0.002 (docs/predict.md)", "fp16": "in its last digits"}
"""By precision of two bytes, how much the other texts of a batch move a probability; in fp16 it was not measured."""

if TYPE_CHECKING:
    from chartune.prediction.files import Wanted, Written
    from chartune.prediction.scorer import Scorer
    from chartune.prediction.texts import Texts
    from chartune.prediction.thresholds import Threshold
    from chartune.stages.chosen import Chosen


def command(
    runs: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[RUN]...",
            help="A finished run: fingerprint, its prefix, its name or its folder; or an export's. Several: all score "
            "the same input, which is read once, over one base model in memory.",
        ),
    ] = None,
    *,
    source: Annotated[
        Path,
        path_argument(
            "INPUT",
            "CSV, TSV, JSON Lines or Parquet with a text per row; a folder of MIMIC, for spans one of .txt "
            "files, for relations with .ann beside them; - for one text on standard input.",
        ),
    ],
    bank: Annotated[
        Path | None,
        path_option("--bank", "A YAML file of tasks in place of RUN (docs/serving.md); {task} is a name in it."),
    ] = None,
    out: Annotated[
        Path,
        path_option(
            "--out",
            "The .csv, .jsonl or .parquet to write; of spans and relations a folder, too; or -. Of several runs a name "
            "with {task} or {run} in it, such as scored-{task}.csv.",
        ),
    ] = Path("-"),
    text: Annotated[str | None, typer.Option("--text", help="The column of texts. Default: by its name.")] = None,
    text_pair: Annotated[
        str | None,
        typer.Option("--text-pair", help="The column of second texts, of a run on pairs. Default: by its name."),
    ] = None,
    id: Annotated[
        str | None,
        typer.Option("--id", help="The column that names rows; '': rows are numbered. Default: by its name."),
    ] = None,
    threshold: Annotated[
        str | None,
        typer.Option(
            "--threshold", metavar="P|RULE",
            help="From where on a label is said to apply: a probability, or chosen on the run's validation split by a "
            "rule: youden, sensitivity=0.9, specificity=0.9.",
        ),
    ] = None,
    recalibrated: RecalibratedOption = None,
    skip_empty: Annotated[
        bool, typer.Option("--skip-empty", help="Keep rows without a text, without a probability.")
    ] = False,
    null_marks: NullMarksOption = None,
    sets: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="PATH=VALUE",
            help="Say how INPUT is read, e.g. source.encoding=cp1252, of MIMIC-IV source.notes=FOLDER. Repeatable.",
        ),
    ] = None,
    base: Annotated[
        str | None, typer.Option("--base", help="Where the base model is now. Default: where the run found it.")
    ] = None,
    store: StoreOption = DEFAULT_STORE,
    as_json: JsonOption = False,
) -> None:  # fmt: skip
    """Score new notes with a finished run or an export: a row per note with id, probabilities, tokens read, model hash.

    Several runs score the same table in one pass, each into a file of its own, equal to what it writes alone.
    The order of the input is kept, memory stays flat, and no word of a note is written anywhere but into files of brat.
    After a kill the same command resumes and gives the same file. Rows without a text and ids that occur twice are
    refused with their row numbers before anything is scored.
    """
    from chartune.prediction.files import Wanted, write_predictions_of_all
    from chartune.prediction.rows import Choices
    from chartune.prediction.texts import checked
    from chartune.prediction.thresholds import read_threshold, threshold_for
    from chartune.serving.alike import must_be_the_same, must_read_alike, outputs_named, runs_asked
    from chartune.stages.chosen import chosen_at

    runs, names = runs_asked(runs, bank)
    outs = [out] if len(runs) == 1 else []
    _must_be_writable(outs, source)
    if threshold is not None:
        read_threshold(threshold)  # before anything is read
    opened = open_store(store)
    every = [chosen_at(opened, run) for run in runs]
    if len(every) > 1:
        must_read_alike(every, source)
        _must_be_writable(outs := outputs_named(out, every, names), source)
    _must_suit_spans(every, outs, source)
    inputs = [
        _texts(source, each, opened, (text, text_pair), id, null_marks, sets or []) for each in _asking(every, source)
    ]
    texts = inputs[0]
    must_be_the_same(inputs, opened)
    for notice in texts.notices:
        say(f"note: {notice}")
    with texts.kept():
        seen = checked(texts, skip_empty=skip_empty)
        scorers = _scorers(every, opened, base)  # after the texts: models take memory
        limits = [
            threshold_for(threshold, scorer, chosen.run, recalibrated=recalibrated)
            for scorer, chosen in zip(scorers, every, strict=True)
        ]
        for scorer, limit in zip(scorers, limits, strict=True):
            for notice in _said(scorer, limit):
                say(f"note: {f'{scorer.origin.name}: ' if len(scorers) > 1 else ''}{notice}")
        wanted = [
            Wanted(scorer, to, Choices(recalibrated, limit, skip_empty))
            for scorer, to, limit in zip(scorers, outs, limits, strict=True)
        ]
        written = write_predictions_of_all(wanted, texts, seen, opened, as_json=as_json)
    _report(every, wanted, written, recalibrated, as_json=as_json)


def _report(
    every: list["Chosen"], wanted: list["Wanted"], written: list["Written"], recalibrated: bool | None, *, as_json: bool
) -> None:  # fmt: skip
    """What was written where."""
    from chartune.prediction.files import STANDARD_OUTPUT

    results: list[dict[str, Any]] = [
        {"run": each.scorer.origin.fingerprint, "out": str(each.out),
         "rows": shown(made.rows, chosen.run is not None and is_exact(chosen.run, False)),
         "recalibrated": each.scorer.recalibrates(recalibrated),
         "threshold": each.choices.threshold and asdict(each.choices.threshold), "numerics": each.scorer.numerics}
        for chosen, each, made in zip(every, wanted, written, strict=True) if each.out != STANDARD_OUTPUT
    ]  # fmt: skip
    if len(every) == 1 and results:
        emit(results[0], as_json, results[0]["out"])
    elif results:
        emit({"runs": results}, as_json, "\n".join(str(result["out"]) for result in results))


def _asking(every: list["Chosen"], source: Path) -> list["Chosen"]:
    """Those whose way of reading the input is looked at: what comes in by standard input can be read once."""
    return every[:1] if source == STANDARD_INPUT else every


def _must_be_writable(outs: list[Path], source: Path) -> None:
    from chartune.prediction.files import must_be_writable

    for out in outs:
        must_be_writable(out, source, folders=True)


def _must_suit_spans(every: list["Chosen"], outs: list[Path], source: Path) -> None:
    from chartune.prediction.folders import must_be_of_spans

    for chosen, out in zip(every, outs, strict=True):
        must_be_of_spans(out, whole_text=not chosen.of_spans and not (chosen.candidates and source.is_dir()))


def _scorers(every: list["Chosen"], store: Store, base: str | None) -> list["Scorer"]:
    """Ready to score; of several those on one base model share it."""
    if len(every) == 1:
        return [every[0].scorer(store, base)]
    from chartune.serving.bulk import scorers_of

    return scorers_of(every, store, base)


def _texts(
    source: Path, chosen: "Chosen", store: Store, columns: tuple[str | None, str | None], id: str | None,
    null_marks: str | None, sets: list[str],
) -> "Texts":  # fmt: skip
    """What is to be scored. Raises ConfigError: a flag says nothing of such an input."""
    from chartune.prediction.columns import table_texts

    text, text_pair = columns
    if text_pair and not chosen.of_pairs:
        raise ConfigError(
            "--text-pair must be of a run that reads pairs of texts, but this one does not; leave it out."
        )
    if source != STANDARD_INPUT and not source.is_dir():
        written = {**_stated(sets, "tabular"), "null_marks": marks_of(null_marks)}
        return table_texts(
            source, chosen.trained_on, text=text, text_pair=text_pair, of_pairs=chosen.of_pairs, id=id, written=written
        )
    if chosen.of_pairs:
        raise ConfigError(f"pairs of texts must stand in a table, one in each row, but {source} is none; give a table.")
    flags = {"--text": text, "--id": id, "--null-marks": null_marks, "--set": sets and source == STANDARD_INPUT}
    if given := [flag for flag, value in flags.items() if value]:
        raise ConfigError(f"{' and '.join(given)} must be of a table, but {source} is none; leave it out.")
    return _standard_input(chosen) if source == STANDARD_INPUT else _folder(source, chosen, store, sets)


def _folder(source: Path, chosen: "Chosen", store: Store, sets: list[str]) -> "Texts":
    """The texts of a folder: documents, with entities where relations are asked about; or charts."""
    from chartune.prediction.charts import ChartTexts
    from chartune.prediction.folders import FolderTexts
    from chartune.prediction.related import RelatedTexts
    from chartune.sources.detect import detect
    from chartune.tasks.annotated.relations import Candidates

    if chosen.candidates:
        return RelatedTexts(source, Candidates.parse(chosen.candidates))
    if chosen.of_spans:
        return FolderTexts(source)
    kind = detect(source)
    raw = {**_stated(sets, kind), "kind": kind, source_class(kind).place: str(source)}
    return ChartTexts(raw, chosen.trained_on, chosen.task, chosen.fingerprint, store)


def _standard_input(chosen: "Chosen") -> "Texts":
    """One text. Raises SchemaError: it is too long, or not in UTF-8."""
    from chartune.prediction.texts import OneText
    from chartune.sources.dialect import LONGEST_CELL

    read = sys.stdin.buffer.read(LONGEST_CELL + 1)
    if len(read) > LONGEST_CELL:
        raise SchemaError(
            f"standard input must be a text of at most {LONGEST_CELL:,} bytes, but is longer; give several in a table."
        )
    try:
        return OneText(read.decode("utf-8-sig"), chosen.breaks)
    except UnicodeDecodeError:  # it quotes bytes of the text
        wrong = "standard input must be a text in UTF-8, but some of its bytes are none"
    raise SchemaError(f"{wrong}; convert it (`iconv -t utf-8`).")


def _stated(sets: list[str], kind: str) -> dict[str, Any]:
    """Fields of the source of an input, as --set states them. Raises ConfigError: they are not of how it is read."""
    from chartune.sources.own_dialect import OwnDialect
    from chartune.tasks.charts import Preparation

    own = source_class(kind)
    fields = set((OwnDialect if kind == "tabular" else own).model_fields) - {"kind", own.place, *UNSAID}
    known = [f"source.{name}" for name in sorted(fields)]
    stated = [placed(Preparation, assignment) for assignment in sets]
    for path in (assignment.partition("=")[0].strip() for assignment in stated):
        if path not in known:
            raise ConfigError(
                f"--set must say how the input is read ({', '.join(known)}), but {short(path)} does not; leave it out, "
                f"or use a flag (--text, --id, --null-marks)."
            )
    return dict(override({"source": {}}, stated)["source"])


def _said(scorer: "Scorer", limit: "Threshold | None") -> list[str]:
    """What a reader of the numbers should know."""
    chosen = [] if limit is None or limit.rule == "given" else [f"the threshold is {limit.value:.4f}: {limit.rule}"]
    precision = str(scorer.numerics.get("precision"))
    if precision not in MOVED:
        return chosen
    return [
        *chosen,
        f"computed in {precision}, as the run was trained: which texts are batched together moves a probability "
        f"{MOVED[precision]}; the same input gives the same numbers",
    ]
