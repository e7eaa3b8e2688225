"""Trackers: TensorBoard and MLflow get what may be shown, in folders of this machine, and never stop a training."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from chartune.disclosure import Behind
from chartune.errors import ConfigError
from chartune.log import EventLog
from chartune.report.followed import Released
from chartune.train.trackers import TAG, Trackers, following

OPEN = Released(exact=True)
Written = list[tuple[Any, ...]]


class MlflowException(Exception):  # noqa: N818 - its name
    """As MLflow's own."""


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> Written:
    """What stand-ins for both packages were given, by their documented calls."""
    calls: Written = []

    class SummaryWriter:
        def __init__(self, log_dir: str, purge_step: int) -> None:
            self.place = Path(log_dir)
            calls.append(("open", self.place.name, purge_step))

        def add_scalar(self, tag: str, scalar_value: float, global_step: int, walltime: float | None = None) -> None:
            if tag == "train/full disk":
                raise OSError
            calls.append((tag, scalar_value, global_step))

        def close(self) -> None:
            calls.append(("close",))

    monkeypatch.setitem(
        sys.modules,
        "torch.utils.tensorboard",
        SimpleNamespace(SummaryWriter=SummaryWriter),
    )
    monkeypatch.setitem(sys.modules, "mlflow", stand_in(calls))
    return calls


def stand_in(calls: Written) -> ModuleType:
    runs: dict[str, SimpleNamespace] = {}

    class MlflowClient:
        def __init__(self, tracking_uri: str, registry_uri: str) -> None:
            assert tracking_uri == registry_uri
            calls.append(("at", tracking_uri))

        def get_experiment_by_name(self, name: str) -> SimpleNamespace | None:
            return SimpleNamespace(experiment_id="7") if runs else None

        def create_experiment(self, name: str, artifact_location: str) -> str:
            calls.append(("experiment", name, artifact_location))
            return "7"

        def search_runs(self, experiment_ids: list[str], filter_string: str) -> list[SimpleNamespace]:
            return [run for name, run in runs.items() if filter_string == f"tags.`{TAG}` = '{name}'"]

        def create_run(self, experiment_id: str, run_name: str, tags: dict[str, str]) -> SimpleNamespace:
            if run_name == "refused":
                raise MlflowException
            calls.append(("run", run_name))
            run = SimpleNamespace(info=SimpleNamespace(run_id=f"id of {tags[TAG]}"))
            return runs.setdefault(tags[TAG], run)

        def update_run(self, run_id: str, status: str) -> None:
            calls.append((run_id, status))

        def log_batch(self, run_id: str, metrics: list[tuple[Any, ...]]) -> None:
            calls.append(("batch", len(metrics)))
            calls.extend(metrics)

        def set_terminated(self, run_id: str, status: str) -> None:
            calls.append((run_id, status))

    module = ModuleType("mlflow")
    vars(module).update(
        exceptions=SimpleNamespace(MlflowException=MlflowException),
        tracking=SimpleNamespace(MlflowClient=MlflowClient),
        entities=SimpleNamespace(Metric=lambda key, value, timestamp, step: (key, value, step)),
    )  # fmt: skip
    return module


def log_of(folder: Path, planned: int = 100) -> EventLog:
    made = EventLog(folder / "events.jsonl")
    made.planned = planned
    return made


def test_tensorboard_gets_every_number_at_its_step(tmp_path: Path, written: Written) -> None:
    with following(Trackers(tensorboard=tmp_path / "t"), "ab12", "x", OPEN), log_of(tmp_path) as log:
        log.record(5, "loss", 0.5)
        log.record(5, "auroc", 0.75, split="validation")
    assert written == [("open", "ab12", 5), ("train/loss", 0.5, 5), ("validation/auroc", 0.75, 5), ("close",)]
    assert (tmp_path / "t").stat().st_mode & 0o777 == 0o700


def test_a_resumed_run_is_the_same_one_for_mlflow(tmp_path: Path, written: Written) -> None:
    trackers = Trackers(mlflow=tmp_path / "m")
    killed = pytest.raises(KeyboardInterrupt)
    with killed, following(trackers, "ab12", "lora", OPEN), log_of(tmp_path) as log:
        log.record(1, "loss", 0.5)
        raise KeyboardInterrupt
    at = ("at", f"sqlite:///{tmp_path}/m/mlflow.db")
    assert written == [
        at, ("experiment", "chartune", (tmp_path / "m" / "artifacts").as_uri()), ("run", "lora"),
        ("batch", 1), ("train/loss", 0.5, 1), ("id of ab12", "KILLED"),
    ]  # fmt: skip
    written.clear()
    with following(trackers, "ab12", "lora", OPEN), log_of(tmp_path) as log:
        for step in range(2, 103):
            log.record(step, "loss", 0.25)
        log.record(102, "auroc", 0.75, split="validation")
    assert written[:2] == [at, ("id of ab12", "RUNNING")]
    assert [entry for entry in written if entry[0] == "batch"] == [("batch", 100), ("batch", 2)]
    assert written[-2:] == [("validation/auroc", 0.75, 102), ("id of ab12", "FINISHED")]


def test_of_real_patients_trackers_get_what_a_report_would_show(tmp_path: Path, written: Written) -> None:
    few, many = (Released(False, Behind(rows, 12, 100, (50,)), 3000) for rows in (9, 112))
    for released in (few, many):
        with following(Trackers(tensorboard=tmp_path / "t"), "ab12", "x", released), log_of(tmp_path, 291) as log:
            for step in range(1, 292):
                log.record(step, "loss", 0.5, tokens=17 * step)
            log.record(291, "auroc", 0.58731, split="validation")
            log.record(291, "tokens_per_second", 3127.0, split="machine")
        numbers = [entry for entry in written if "/" in entry[0]]
        assert sum(tag == "train/loss" for tag, *_ in numbers) == 24
        assert max(step for *_, step in numbers) == 100
        assert ("machine/tokens_per_second", 3000.0, 100) in numbers
        scores = [value for tag, value, _ in numbers if tag == "validation/auroc"]
        assert scores == ([] if released is few else [0.587])
        written.clear()


def test_a_tracker_that_fails_is_left_out_and_training_goes_on(
    tmp_path: Path, written: Written, caplog: pytest.LogCaptureFixture
) -> None:
    trackers = Trackers(tensorboard=tmp_path / "t", mlflow=tmp_path / "m")
    with following(trackers, "ab12", "x", OPEN), log_of(tmp_path) as log:
        for name in ("loss", "full disk", "loss"):
            log.record(1, name, 0.5)
    assert [entry[0] for entry in written].count("train/loss") == 1 + 2  # MLflow has gone on
    assert caplog.text.count("TensorBoard could not be written (OSError); training goes on") == 1


def test_a_training_that_fails_is_marked_as_such(tmp_path: Path, written: Written) -> None:
    with pytest.raises(ValueError, match="no"), following(Trackers(mlflow=tmp_path / "m"), "ab12", "x", OPEN):
        raise ValueError("no")
    assert written[-1] == ("id of ab12", "FAILED")


@pytest.mark.parametrize("package", ["tensorboard", "mlflow"])
def test_a_package_that_is_missing_is_named_with_its_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, package: str
) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    monkeypatch.setitem(sys.modules, "mlflow", None)
    trackers = Trackers.parse({package: str(tmp_path)})
    refused = pytest.raises(ConfigError, match=rf"pip install 'chartune\[{package}\]'`, or leave it out\.")
    with refused, following(trackers, "ab12", "x", OPEN):
        pass


@pytest.mark.parametrize(
    "address",
    [
        "http://user:secret@host:5000",
        "sqlite:///secret.db",
        "databricks://secret",
        "file:///secret",
        "file:x",
        " ",
        "a?b",
    ],
)
@pytest.mark.parametrize("package", ["tensorboard", "mlflow"])
def test_an_address_is_no_folder_and_is_not_repeated(address: str, package: str) -> None:
    with pytest.raises(ConfigError, match="must be a folder of this machine") as refused:
        Trackers.parse({package: address})
    assert "secret" not in str(refused.value)


def test_a_folder_that_cannot_be_used_is_refused(tmp_path: Path, written: Written) -> None:
    (tmp_path / "file").write_text("")
    for trackers in (Trackers(tensorboard=tmp_path / "file" / "t"), Trackers(mlflow=tmp_path / "file")):
        with pytest.raises(ConfigError, match="choose another"), following(trackers, "ab12", "x", OPEN):
            pass
    refused = pytest.raises(ConfigError, match="MLflow's database")
    with refused, following(Trackers(mlflow=tmp_path / "m"), "ab12", "refused", OPEN):
        pass


def test_nobody_is_told_anything_by_default(tmp_path: Path, written: Written) -> None:
    with following(Trackers(), "ab12", "x", OPEN), log_of(tmp_path) as log:
        log.record(1, "loss", 0.5)
    assert written == []


@pytest.fixture
def installed(request: pytest.FixtureRequest) -> str:
    package = str(request.param)
    if importlib.util.find_spec(package) is None:
        pytest.skip(f"{package} is not installed: `pip install 'chartune[{package}]'`")
    return package


@pytest.mark.slow  # both load for seconds
@pytest.mark.parametrize("installed", ["tensorboard", "mlflow"], indirect=True)
@pytest.mark.filterwarnings("ignore")  # theirs
def test_the_package_itself_reads_what_was_written(tmp_path: Path, installed: str) -> None:
    for step in (1, 2):
        with following(Trackers.parse({installed: str(tmp_path)}), "ab12", "x", OPEN), log_of(tmp_path) as log:
            log.record(step, "loss", step / 2)
    if installed == "tensorboard":
        from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

        read = EventAccumulator(str(tmp_path / "ab12"))
        read.Reload()
        assert [(point.step, point.value) for point in read.Scalars("train/loss")] == [(1, 0.5), (2, 1.0)]
    else:
        import mlflow

        client = mlflow.tracking.MlflowClient(f"sqlite:///{tmp_path}/mlflow.db")
        (run,) = client.search_runs([client.get_experiment_by_name("chartune").experiment_id])
        assert run.info.status == "FINISHED"
        points = client.get_metric_history(run.info.run_id, "train/loss")
        assert [(point.step, point.value) for point in points] == [(1, 0.5), (2, 1.0)]
