"""What can go wrong, by what the caller can do about it.

    ChartuneError              exit 1   anything below
    ├── ConfigError            exit 2   a setting is wrong: correct the YAML, the flag or the path
    ├── DataError              exit 3   the raw files or the prepared data are wrong
    │   ├── SchemaError                 a table, a column or a cell breaks its contract
    │   ├── LabelError                  labels cannot be learnt or scored
    │   └── LeakageError                something was seen too early, or a patient stands in two splits
    ├── AdapterError           exit 4   the adapter, its method or its base model do not fit together
    ├── RunError               exit 5   a stage did not end as it should
    │   ├── UnfinishedRun               it was asked for results that it does not have yet
    │   └── Diverged                    the loss is no longer a number
    └── StoreError             exit 7   the store cannot be written, is locked, or holds a damaged artefact
        └── InUse                       another process is at that very artefact; later it may be free

Exit 0 is success, 130 an interruption by the user, 143 the end by SIGTERM. A message states the rule, the values, the
place and a remedy; it never quotes a note, because a message ends in terminals, logs and issue trackers.
"""

from typing import ClassVar


class ChartuneError(Exception):
    """Base of every error that chartune raises on purpose; `exit_code` is what the command line returns."""

    exit_code: ClassVar[int] = 1
    tokens: int | None = None
    """Training tokens that were spent before it; None: it did not end a training."""
    seconds: float = 0.0
    """Wall time of that training, earlier attempts included."""


class ConfigError(ChartuneError):
    """A setting is wrong: an unknown field, a value out of range, a path that does not exist."""

    exit_code: ClassVar[int] = 2


class DataError(ChartuneError):
    """The raw files or the prepared data cannot be used as they are."""

    exit_code: ClassVar[int] = 3


class SchemaError(DataError):
    """A table, a column or a cell breaks the contract of its dataset."""


class LabelError(DataError):
    """Labels cannot be learnt or scored, for example because a split holds one class only."""


class LeakageError(DataError):
    """Something was seen before its time, or one patient stands in two splits."""


class AdapterError(ChartuneError):
    """An adapter, its method and its base model do not fit together."""

    exit_code: ClassVar[int] = 4


class RunError(ChartuneError):
    """A stage did not end as it should."""

    exit_code: ClassVar[int] = 5


class UnfinishedRun(RunError):  # noqa: N818 - named after the noun Run
    """Results were asked of a run that has not ended."""


class Diverged(RunError):  # noqa: N818 - names the event, as StopIteration does
    """The loss or a gradient is no longer a finite number."""


class StoreError(ChartuneError):
    """The store cannot be written, is in use by another process, or holds a damaged artefact."""

    exit_code: ClassVar[int] = 7


class InUse(StoreError):  # noqa: N818 - named after the state of what was asked for
    """A living process holds the lease of an artefact."""
