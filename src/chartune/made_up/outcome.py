"""Who dies, in closed form: a noisy-OR over the conditions that are present, and what a reader can know of it.

    P(survive | conditions, age)   = (1 - leak(age)) · Π over present i of (1 - q_i)
    P(survive | what is read)      = (1 - leak(age)) · Π over all i of (1 - q_i · π_i)

π_i is the probability that condition i is present given what is read: 1 if it is affirmed, 0 if it is denied. While
its section is not finished it is the prior; once the section ends without a word about it, Bayes gives
π_i(1-a_i) / (π_i(1-a_i) + (1-π_i)(1-d_i)), with a_i = P(affirmed | present), d_i = P(denied | absent). The second
line is exact because conditions are independent given the age band, and stay so among survivors: surviving
multiplies the odds of each chronic condition by (1 - q_i) on its own.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from chartune.made_up.conditions import BANDS, CONDITIONS, Condition


@dataclass(frozen=True)
class OutcomeModel:
    """All that determines who dies and what is written about it."""

    conditions: tuple[Condition, ...] = CONDITIONS
    """Latent conditions."""
    band_weights: tuple[float, float, float] = (0.22, 0.38, 0.40)
    """Share of subjects by age band."""
    leaks: tuple[float, float, float] = (0.003, 0.007, 0.015)
    """P(dying of nothing that is modelled) by age band."""
    stays: tuple[float, float, float] = (1.0, 0.08, 0.02)
    """P(at least one, two, three admissions, if alive)."""
    death_stated: float = 0.02
    """P(an admission section gives the death away | died)."""

    def describe(self) -> dict[str, Any]:
        """The parameters as plain JSON, for the manifest."""
        return {
            "kind": "noisy-or",
            "age_bands": [list(band) for band in BANDS],
            "band_weights": list(self.band_weights),
            "leaks": list(self.leaks),
            "stays": list(self.stays),
            "death_stated": self.death_stated,
            "conditions": [
                {
                    "name": c.name, "where": c.where, "prevalence": list(c.prevalence), "lethality": c.lethality,
                    "affirmed": c.affirmed, "denied": c.denied, "in_family": c.in_family,
                }
                for c in self.conditions
            ],
        }  # fmt: skip


MODEL: Final = OutcomeModel()


def prior(model: OutcomeModel, band: int, ordinal: int) -> list[float]:
    """P(present) of each condition for the `ordinal`-th admission (from 0) of a patient: earlier ones were survived."""
    return [
        _survivors(c.prevalence[band], c.lethality, ordinal) if c.chronic else c.prevalence[band]
        for c in model.conditions
    ]


def _survivors(prevalence: float, lethality: float, stays: int) -> float:
    alive = prevalence
    for _ in range(stays):
        alive *= 1 - lethality
    return alive / (alive + 1 - prevalence)


def p_death(model: OutcomeModel, band: int, present: Sequence[float]) -> float:
    """P(death in this stay | age band, probability of each condition); exact for 0/1 and for independent conditions."""
    survive = 1 - model.leaks[band]
    for condition, probability in zip(model.conditions, present, strict=True):
        survive *= 1 - condition.lethality * probability
    return 1 - survive


def p_death_unread(model: OutcomeModel) -> float:
    """P(death in this stay) of an adult admission of which nothing is known, not even age or ordinal."""
    deaths = total = 0.0
    for band, weight in enumerate(model.band_weights):
        alive = 1.0
        for ordinal, reach in enumerate(model.stays):
            dies = p_death(model, band, prior(model, band, ordinal))
            total += weight * reach * alive
            deaths += weight * reach * alive * dies
            alive *= 1 - dies
    return deaths / total


def unstated(model: OutcomeModel, probability: float) -> float:
    """P(death), knowing also that the note does not give it away: what holds where such notes are dropped."""
    return probability * (1 - model.death_stated) / (1 - probability * model.death_stated)


@dataclass
class Reader:
    """An ideal reader of one admission text: knows the model, believes what is written, nothing else."""

    model: OutcomeModel
    band: int
    ordinal: int
    beliefs: list[float] = field(default_factory=list)
    _settled: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.beliefs = prior(self.model, self.band, self.ordinal)

    def reads(self, condition: int, present: bool) -> None:
        """A fact is written: the condition is affirmed or denied."""
        self.beliefs[condition] = 1.0 if present else 0.0
        self._settled.add(condition)

    def finishes(self, section: str) -> None:
        """The section is over: what it did not name is less likely present if presence is usually written."""
        for index, condition in enumerate(self.model.conditions):
            if condition.where == section and index not in self._settled:
                silent = self.beliefs[index] * (1 - condition.affirmed)
                self.beliefs[index] = silent / (silent + (1 - self.beliefs[index]) * (1 - condition.denied))
                self._settled.add(index)

    def p_death(self) -> float:
        """P(death in this stay | all that is read so far, and that the note does not give the death away)."""
        return unstated(self.model, p_death(self.model, self.band, self.beliefs))
