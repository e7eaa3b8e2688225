"""The positive class of a yes-or-no task: which of its two labels is asked about, who chose it, and how it is named.

died, survived      a convention: what happened is asked about    asked: died (of died, survived)
no ca, ca           a convention: X of X and "no X"               asked: ca (of ca, no ca)
blue, green         nobody chose: the later in sorting            asked: green (of blue, green), and a warning
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from chartune.tasks.dataset import TaskEntry

PositiveBy = Literal["definition", "choice", "convention", "sorting"]
"""Who says which class is asked: the task itself, whoever asked (`positive`), the list below, or nobody."""

CONVENTIONS: Final[frozenset[tuple[str, str]]] = frozenset({
    ("0", "1"), ("false", "true"), ("f", "t"), ("-", "+"), ("neg", "pos"), ("negative", "positive"),
    ("no", "yes"), ("n", "y"), ("nein", "ja"), ("n", "j"), ("nee", "ja"), ("nej", "ja"), ("nei", "ja"),
    ("non", "oui"), ("n", "o"), ("no", "si"), ("no", "sí"), ("no", "sì"), ("não", "sim"), ("nie", "tak"),
    ("absent", "present"), ("control", "case"), ("controls", "cases"), ("healthy", "sick"), ("normal", "abnormal"),
    ("benign", "malignant"), ("better", "worse"), ("improved", "worsened"), ("survived", "died"),
    ("survivor", "non-survivor"), ("alive", "dead"), ("alive", "died"), ("alive", "deceased"), ("living", "dead"),
    ("living", "deceased"), ("lebt", "verstorben"), ("vivant", "décédé"),
})  # fmt: skip
"""Pairs (not asked about, asked about), in lower case: what happened, what is there, what is true."""
_DENIALS: Final = ("not", "no", "non", "without", "nicht", "kein", "keine", "ohne", "pas de", "sans", "sin")
"""Words that deny what follows: of X and "no X", X is asked about."""


def positive_of(names: Sequence[str], chosen: str | None = None) -> tuple[str, PositiveBy]:
    """The class that is asked about, and who says so.

    Args:
        names: two labels.
        chosen: one of them; None: nobody has said.
    """
    if chosen is not None:
        return chosen, "choice"
    first, other = sorted(names)
    for negative, positive in ((first, other), (other, first)):
        if _conventional(_plain(negative), _plain(positive)):
            return positive, "convention"
    return other, "sorting"


def unchosen(tasks: Mapping[str, "TaskEntry"]) -> list[str]:
    """A line for each task whose positive class nobody chose: it is the later in sorting, which may be the wrong one.

    Args:
        tasks: name → entry in `dataset.json`.
    """
    return [
        f"{name}: nobody chose the class that is asked about, so the later in sorting is: "
        f"{task.form.outcome(task.labels)}; if the other is "
        f"meant, or to say that this one is, name it with `positive` in the task ({_example(task)})."
        for name, task in tasks.items()
        if task.positive_by == "sorting" and task.form.outcome(task.labels)
    ]


def _example(task: "TaskEntry") -> str:
    if (task.config or {}).get("kind") != "labels":
        return "positive: …"
    return "--set 'data.tasks=[{kind: labels, positive: \"…\"}]', for prepare 'tasks=…'"


def _conventional(negative: str, positive: str) -> bool:
    return (negative, positive) in CONVENTIONS or any(
        negative in (f"{word} {positive}", f"{word}-{positive}", f"{word}_{positive}") for word in _DENIALS
    )


def _plain(name: str) -> str:
    return name.strip().casefold()
