"""Options that several verbs share, and how flags become a Stage."""

import difflib
import json
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Final, Literal, get_args

import typer
import yaml

from chartune.cli.words import assigned, placed
from chartune.config import Config, override, read_yaml
from chartune.config_errors import short
from chartune.disclosure import magnitude
from chartune.errors import ConfigError
from chartune.runs.run import Run
from chartune.search.storages import VARIABLE as IN_DATABASE
from chartune.sources.kinds import SOURCES, CorpusKind, source_class
from chartune.store import DEFAULT, VARIABLE, Store

NO_FLAGS: Final[Mapping[str, object]] = MappingProxyType({})
DEFAULT_STORE: Final = Path(DEFAULT)


def named_path(text: str) -> Path:
    """The path that was named; what is blank, such as a variable that is not set, would be the folder one stands in.

    Raises:
        ConfigError: none was, or this user may not look at it.
    """
    if not str(text).strip():
        raise ConfigError("a path must be named, but an empty one was given; `.` is the folder that you stand in.")
    path = Path(text)
    try:
        path.exists()
    except OSError as error:
        raise ConfigError(
            f"a path must be one that this user may look at, but {short(text)} is not ({error.strerror}); name "
            f"another, or change the permissions of its folder."
        ) from None
    return path


def path_option(flag: str, about: str, metavar: str = "PATH") -> Any:
    """A flag that names a file or a folder."""
    return typer.Option(flag, parser=named_path, metavar=metavar, help=about)


def path_argument(metavar: str, about: str) -> Any:
    """An argument that names a file or a folder."""
    return typer.Argument(parser=named_path, metavar=metavar, help=about)


def _store_path(text: str) -> Path:
    """The folder that was named. Raises ConfigError: none was; what is blank would be the folder one stands in."""
    if not str(text).strip():
        raise ConfigError(
            f"the store must be a folder, but --store (or {VARIABLE}) is empty; name one, or leave it out."
        )
    return Path(text)


def _store(path: Path) -> Path:
    """Click takes a variable that is set to nothing for one that is not set."""
    return _store_path("") if path == DEFAULT_STORE and os.environ.get(VARIABLE) == "" else path


RecalibratedOption = Annotated[
    bool | None,
    typer.Option(
        "--recalibrated/--raw",
        help="Probabilities recalibrated as the run has fitted on held-out rows, or as its model gives them. Default: "
        "recalibrated, where something was fitted.",
    ),
]
StoreOption = Annotated[
    Path,
    typer.Option(
        "--store", envvar=VARIABLE, parser=_store_path, callback=_store, metavar="PATH",
        help="Folder for prepared data, models and runs; private to you.",
    ),
]  # fmt: skip
StorageOption = Annotated[
    str | None,
    typer.Option(
        "--storage", envvar=IN_DATABASE, metavar="URL", show_envvar=False,
        help="A PostgreSQL database for the trials of searches (postgresql://user@host/database), for several machines "
        f"at once; better set as {IN_DATABASE}. Default: a file in the store.",
    ),
]  # fmt: skip
JsonOption = Annotated[bool, typer.Option("--json", help="Print the result as JSON on standard output.")]
RAW_FOLDER = path_argument(
    "FOLDER", "Raw data as shipped (the folder of MIMIC-III or MIMIC-IV), or a table of your own notes."
)
FolderArgument = Annotated[Path | None, RAW_FOLDER]
SourceOption = Annotated[
    str | None,
    typer.Option("--source", help="Kind of the raw data, as `prepare` names them. Default: detected."),
]
SplitsOption = Annotated[
    Path | None,
    path_option(
        "--splits", "Folder with train.csv, validation.csv, test.csv of subject_id. Default: by hash of the patient."
    ),
]
ConfigOption = Annotated[
    Path | None,
    path_option("--config", "A YAML file with the whole stage, such as a run's stage.yaml."),
]  # fmt: skip
SetOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="PATH=VALUE", help="Change one field, e.g. optimisation.learning_rate=1e-3. Repeatable."
    ),
]
BaseOption = Annotated[
    str | None,
    typer.Option(
        "--base",
        help="Base model: minilm, smollm2, a local folder, or a hub id in the local cache; small-llama is a toy. "
        "Default: that of --clinical, or the best that is installed, which is named.",
    ),
]
NameOption = Annotated[str | None, typer.Option("--name", help="Name of the run in tables.")]
NullMarksOption = Annotated[
    str | None,
    typer.Option(
        "--null-marks", metavar="MARKS", show_default=False,
        help="Of a table of your own: which cells are missing values besides empty ones, comma-separated, such as "
        "NA,NULL; '': none.",
    ),
]  # fmt: skip
PresetOption = Annotated[
    Literal["sound", "paper-text", "paper-code"] | None,
    typer.Option(
        "--preset", help="Which switches: chartune's own (sound, the default), the papers', or their public code's.",
        show_default=False,
    ),
]  # fmt: skip


def open_store(path: Path) -> Store:
    """The store, checked to be writable."""
    return Store(path).open()


def stage_data(
    kind: str,
    config: Path | None,
    folder: Path | None,
    source: str | None,
    splits: Path | None,
    base: str | None,
    name: str | None,
    *,
    preset: str | None,
    null_marks: str | None,
) -> dict[str, Any]:
    """A stage as plain data: the YAML file if there is one, with the flags written over it.

    Raises:
        ConfigError: neither a config nor a folder is given, or the config describes another kind of stage.
    """
    data: dict[str, Any] = read_yaml(config) if config else {"kind": kind}
    if data.get("kind", kind) != kind:
        verb = "pretrain" if data["kind"] == "pretrain" else "finetune"
        raise ConfigError(f"{config} must describe a {kind} stage, but it says {data['kind']}; use `chartune {verb}`.")
    if not isinstance(data.get("data") or {}, dict):
        raise ConfigError(f"`data` of {config} must be a mapping with `source`, but is {type(data['data']).__name__}.")
    if folder is None and not config:
        raise ConfigError("a stage needs data: give the folder of the raw files, or --config with a stage.yaml.")
    given: dict[str, Any] = {}
    if folder is not None:
        given["source"] = source_at(folder, source, null_marks)
        only_of_charts(given["source"]["kind"], {"--splits": splits, "--preset": preset})
    elif null_marks is not None:
        raise ConfigError("--null-marks needs the table that it applies to; give that, too, or use --set.")
    if preset is not None:
        given["preset"] = preset
    if splits is not None:
        given["splits"] = listed_splits(splits)
    if given:
        data["data"] = {**(data.get("data") or {}), **given}
    if base is not None:
        data["backbone"] = {"name": base}
    if name is not None:
        data["name"] = name
    return data


def source_at(path: Path, kind: str | None, null_marks: str | None = None) -> dict[str, Any]:
    """The source at a path as plain data; its kind as given, or detected.

    Raises:
        DataError: it is of no kind that chartune reads.
        ConfigError: null marks are given for something else than a table of one's own.
    """
    from chartune.sources.annotated.detect import detect_annotated
    from chartune.sources.detect import detect

    known = kind or detect_annotated(path) or detect(path)
    source: dict[str, Any] = {"kind": known, source_class(known).place if known in SOURCES else "folder": str(path)}
    if null_marks is None:
        return source
    if known != "tabular":
        raise ConfigError(
            f"--null-marks applies to a table of your own, but {path} is {known}, whose release leaves cells empty; "
            f"leave it out, and export the tables with empty cells."
        )
    return source | {"null_marks": list(marks_of(null_marks) or ())}


def marks_of(flag: str | None) -> tuple[str, ...] | None:
    """The marks that --null-marks lists; None: it was not given."""
    return None if flag is None else tuple(mark.strip() for mark in flag.split(",") if mark.strip())


def listed_splits(folder: Path) -> dict[str, str]:
    """Splits by the lists of patients in a folder, as plain data."""
    return {"kind": "imported", "folder": str(folder)}


def one_of(*catalogs: Iterable[str], refused: Mapping[str, str] = MappingProxyType({})) -> Callable[[str], str]:
    """A parser of flags: a name of these catalogs as they are now; `refused`: others that are known, and why not."""

    def chosen(text: str) -> str:
        known = [name for catalog in catalogs for name in catalog]
        if text in refused:
            raise typer.BadParameter(
                f"{text} is known and not taken: {refused[text]}; choose one of {', '.join(known)}."
            )
        if text not in known:
            near = difflib.get_close_matches(text[:40], known, n=1)
            meant = f" Did you mean {near[0]}?" if near else ""
            raise typer.BadParameter(f"must be one of {', '.join(known)}, but got {text[:40]!r}.{meant}")
        return text

    return chosen


def only_of_charts(kind: str, flags: dict[str, object]) -> None:
    """Refuse flags that do not apply to an annotated corpus. Raises ConfigError: the kind is one, and one is given."""
    if kind not in get_args(CorpusKind):
        return
    given = [flag for flag, value in flags.items() if value]
    if given:
        raise ConfigError(
            f"{kind} brings its own split and tasks, so {' and '.join(given)} do not apply to it; use --set "
            f"(splits.validation=0.2, tasks=[{{kind: ...}}]; of a stage, data.splits.validation=0.2)."
        )


def overridden(
    data: dict[str, Any], sets: list[str] | None, config: type[Config], flags: Mapping[str, object] = NO_FLAGS
) -> dict[str, Any]:
    """`data` with flags and --set assignments applied; defaults are filled in first, so that a list has its elements.

    Presets are applied first: they set the defaults. Words stand for fields (`chartune.cli.words`).

    Raises:
        ConfigError: an assignment does not lead to a field, or a flag says nothing of such a stage.
    """
    asked = [placed(config, assignment) for assignment in sets or ()]
    if not asked and all(value is None for value in flags.values()):
        return data
    presets = [assignment for assignment in asked if assignment.partition("=")[0].strip() in ("preset", "data.preset")]
    others = [assignment for assignment in asked if assignment not in presets]
    filled = _filled(override(data, presets), config)
    return override(filled, assigned(config, filled, others, flags), lambda path: config.kind_at(filled, path))


def _filled(data: dict[str, Any], config: type[Config]) -> dict[str, Any]:
    """All fields of the config; what does not parse yet stays as it is, because an assignment may correct it."""
    try:
        return config.parse(data).model_dump(mode="json")
    except ConfigError:
        return data


def emit(result: Any, as_json: bool, text: str) -> None:
    """The result on standard output: JSON for a script, lines for a person."""
    typer.echo(json.dumps(result, indent=2, default=str) if as_json else text)


def run_summary(run: Run, scores: Mapping[str, Any], exact: bool) -> dict[str, Any]:
    """What a script wants to know of a run; `scores`: by split, as they may be shown; `exact`: as for `magnitude`."""
    return {
        "run": run.fingerprint, "name": run.name, "kind": run.kind, "folder": str(run.path), "task": run.task,
        "best_step": magnitude(run.about.best_step, exact, run.about.texts),
        "scores": scores,
        "cost": run.cost.to_json() | {"tokens": magnitude(run.cost.tokens, exact, run.about.texts)},
    }  # fmt: skip


def yaml_text(data: Any) -> str:
    """Plain data as YAML, for people."""
    return yaml.safe_dump(data, sort_keys=False, allow_unicode=True).rstrip()
