"""Trackers: the events of a training, handed on to TensorBoard or MLflow in folders of this machine.

    Event ─▶ Released (as it may be shown) ─┬▶ TensorBoard   FOLDER/<fingerprint>/events.out.tfevents…
                                            └▶ MLflow        FOLDER/mlflow.db, its experiment `chartune`

They get numbers and names of metrics, never texts; nothing goes over the network. Both are off by default, and what
they write determines nothing. One that fails is left out from then on: training goes on.
"""

import logging
import re
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final, Protocol

from pydantic import field_validator

from chartune.config import Config
from chartune.errors import ConfigError
from chartune.extras import installed
from chartune.log import Event, listening
from chartune.report.followed import Released

log = logging.getLogger(__name__)

EXPERIMENT: Final = "chartune"
TAG: Final = "chartune.fingerprint"
"""The tag by which a resumed run is found again."""
TOGETHER: Final = 100
"""Measurements that MLflow is given at once: each call is a transaction."""
_ADDRESS: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:")


class Trackers(Config):
    """Folders that get the numbers of a training as it goes on; off by default."""

    tensorboard: Path | None = None
    """Folder for TensorBoard; None: not written."""
    mlflow: Path | None = None
    """Folder for MLflow's database; None: not written."""

    @field_validator("tensorboard", "mlflow", mode="before")
    @classmethod
    def _must_be_folder(cls, value: Any) -> Any:
        """An address may hold a password, and is not repeated."""
        text = str(value)
        if value is not None and (_ADDRESS.match(text) or "?" in text or not text.strip()):
            raise ValueError(
                "must be a folder of this machine, not empty, an address or with a `?` in its name: what is measured "
                "on patients goes nowhere else; give the path of a folder"
            )
        return value


class Tracker(Protocol):
    """Whatever is handed events."""

    def write(self, event: Event) -> None:
        """One event, as it may be shown. Raises one of `failures`."""

    def close(self, ended: str) -> None:
        """The training is over: `FINISHED`, `FAILED` or `KILLED`. Raises one of `failures`."""

    @property
    def failures(self) -> tuple[type[Exception], ...]:
        """Exceptions by which it says that it cannot write."""


@contextmanager
def following(trackers: Trackers, fingerprint: str, name: str, released: Released) -> Iterator[None]:
    """Hand the events of a training on to its trackers.

    Args:
        trackers: where to.
        fingerprint: of the run.
        name: what a person calls it.
        released: what may be shown of its events.

    Raises:
        ConfigError: the package of a tracker is not installed, or it cannot write into its folder.
    """
    every: list[Tracker] = []
    with ExitStack() as stack:
        if trackers.tensorboard:
            every.append(TensorBoard(trackers.tensorboard, fingerprint))
        if trackers.mlflow:
            every.append(MLflow(trackers.mlflow, fingerprint, name))
        if every:
            stack.enter_context(listening(_Handed(every, released)))
        ended = "FAILED"
        try:
            yield
            ended = "FINISHED"
        except (KeyboardInterrupt, SystemExit):
            ended = "KILLED"
            raise
        finally:
            for tracker in list(every):
                with _failing(tracker, every):
                    tracker.close(ended)


class _Handed:
    """The sink: each event once to every tracker that still works."""

    def __init__(self, trackers: list[Tracker], released: Released) -> None:
        self._trackers, self._released = trackers, released

    def __call__(self, event: Event) -> None:
        if (shown := self._released.event(event)) is None:
            return
        for tracker in list(self._trackers):
            with _failing(tracker, self._trackers):
                tracker.write(shown)


@contextmanager
def _failing(tracker: Tracker, working: list[Tracker]) -> Iterator[None]:
    """Leave out a tracker that fails; what it says may quote paths and addresses, and is not repeated."""
    try:
        yield
    except tracker.failures as error:
        working.remove(tracker)
        log.warning("%s could not be written (%s); training goes on", type(tracker).__name__, type(error).__name__)


class TensorBoard:
    """Scalars `<split>/<metric>` in a folder of the run."""

    failures: tuple[type[Exception], ...] = (OSError,)

    def __init__(self, folder: Path, fingerprint: str) -> None:
        with _installed("tensorboard"):
            from torch.utils.tensorboard import SummaryWriter
        self._folder, self._writer_of = _folder(folder) / fingerprint, SummaryWriter
        self._writer: Any = None

    def write(self, event: Event) -> None:
        """One event; the first one drops what a killed attempt has written of later steps."""
        if self._writer is None:
            self._writer = self._writer_of(log_dir=str(self._folder), purge_step=event.step)
        self._writer.add_scalar(f"{event.split}/{event.name}", event.value, event.step, walltime=event.time or None)

    def close(self, ended: str) -> None:
        """Write what is held back."""
        if self._writer is not None:
            self._writer.close()


class MLflow:
    """Metrics `<split>/<metric>` of a run in a database of the folder; a resumed run goes on in the same one."""

    def __init__(self, folder: Path, fingerprint: str, name: str) -> None:
        with _installed("mlflow"):
            import mlflow
        self.failures: tuple[type[Exception], ...] = (OSError, mlflow.exceptions.MlflowException)
        self._metric, self._held = mlflow.entities.Metric, list[Any]()
        place = _folder(folder)
        address = f"sqlite:///{place}/mlflow.db"
        try:
            self._client = mlflow.tracking.MlflowClient(tracking_uri=address, registry_uri=address)
            self._run = self._begun(place, fingerprint, name)
        except self.failures as error:
            raise ConfigError(
                f"trackers.mlflow must be a folder for MLflow's database, but {place} is not ({type(error).__name__}); "
                f"choose another folder."
            ) from None

    def _begun(self, place: Path, fingerprint: str, name: str) -> str:
        """The id of the run in the database, which is there if an earlier attempt has begun it."""
        known = self._client.get_experiment_by_name(EXPERIMENT)
        artifacts = (place / "artifacts").as_uri()
        experiment = known.experiment_id if known else self._client.create_experiment(EXPERIMENT, artifacts)
        earlier = self._client.search_runs([experiment], filter_string=f"tags.`{TAG}` = '{fingerprint}'")
        if earlier:
            self._client.update_run(earlier[0].info.run_id, status="RUNNING")
            return str(earlier[0].info.run_id)
        run = self._client.create_run(experiment, run_name=name, tags={TAG: fingerprint})
        return str(run.info.run_id)

    def write(self, event: Event) -> None:
        """One event."""
        milliseconds = int(1000 * event.time)
        self._held.append(self._metric(f"{event.split}/{event.name}", event.value, milliseconds, event.step))
        if len(self._held) >= TOGETHER or event.split == "validation":
            self._flush()

    def close(self, ended: str) -> None:
        """Write what is held back, and how the training ended."""
        self._flush()
        self._client.set_terminated(self._run, status=ended)

    def _flush(self) -> None:
        held, self._held = self._held, []
        if held:
            self._client.log_batch(self._run, metrics=held)


def _folder(path: Path) -> Path:
    """The folder, private to its owner where it is made; whole path."""
    whole = path.expanduser().absolute()
    try:
        whole.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise ConfigError(
            f"a tracker must have a folder, but {whole} cannot be made ({error.strerror}); choose another one."
        ) from None
    return whole


def _installed(package: str) -> AbstractContextManager[None]:
    return installed(package, f"trackers.{package} needs the package {package}", "leave it out")
