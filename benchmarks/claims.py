"""How often claims are decided falsely: simulated studies whose truth is known; nothing is trained.

    python benchmarks/claims.py [--studies 1000] [--claims 3] [--patients 400] [--prevalence 0.15] [--error 0.05]
                                [--seeds 1] [--luck 0.01]

    latent scores of two models ─▶ predictions of two tasks ─draws of patients─▶ interval ─▶ verdict, beside the truth

Each study has a few claims, each about a pair of models with correlated scores on two tasks that share their patients;
the true difference of their mean AUROC is drawn: none (the hardest truth for `above` and a margin of 0), at the margin,
or well beyond it. The AUROC of each seed is off by the luck of its training (`--luck`, a standard deviation). Draws,
differences, level and verdict are the functions of a study's report.
"""

import argparse
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from chartune.metrics import Resamples, paired_difference
from chartune.metrics.auroc import auroc_statistic
from chartune.metrics.bootstrap import resample
from chartune.metrics.verdict import Direction, level_of, verdict
from chartune.report.average import SEED, mean_of_tasks, seeds_drawn

BASE = 0.75
"""AUROC of the models that are compared with."""
MARGIN = 0.02
CLAIMS: Sequence[tuple[Direction, float]] = (("above", 0.0), ("not-below", MARGIN), ("alike", MARGIN))
TRUTHS = (-0.08, -MARGIN, 0.0, MARGIN, 0.08)
"""True differences of AUROC; that of a claim is drawn from them."""
SHARED = 0.8
"""Correlation of the scores of two models within a class."""


@dataclass(frozen=True)
class Design:
    """Of every study."""

    patients: int
    prevalence: float
    claims: int
    error: float
    resamples: int
    seeds: int
    luck: float


def main() -> None:
    """Simulate, and print how often verdicts are false."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--studies", type=int, default=1000)
    parser.add_argument("--claims", type=int, default=3)
    parser.add_argument("--patients", type=int, default=400)
    parser.add_argument("--prevalence", type=float, default=0.15)
    parser.add_argument("--error", type=float, default=0.05)
    parser.add_argument("--resamples", type=int, default=1000)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--luck", type=float, default=0.01)
    asked = parser.parse_args()
    design = Design(
        asked.patients, asked.prevalence, asked.claims, asked.error, asked.resamples, asked.seeds, asked.luck
    )  # fmt: skip
    falsely, said, wrong = 0, Counter[str](), 0
    for seed in range(asked.studies):
        made = list(study(design, seed))
        falsely += any(is_false for _, is_false in made)
        wrong += sum(is_false for _, is_false in made)
        said.update(text for text, _ in made)
    print(f"{asked.studies} studies of {design.claims} claims, {design.patients} patients, "
          f"{100 * design.prevalence:g} % with the outcome; error asked {100 * design.error:g} %; "
          f"{design.seeds} seeds, luck {design.luck:g}")  # fmt: skip
    print(f"studies with a false verdict: {100 * falsely / asked.studies:.1f} %")
    print(f"false verdicts: {100 * wrong / sum(said.values()):.1f} % of all claims")
    print(", ".join(f"{text} {count}" for text, count in sorted(said.items())))


def study(design: Design, seed: int) -> Iterator[tuple[str, bool]]:
    """The verdict of each claim, and whether it is false."""
    rng = np.random.default_rng([seed, 7])
    for number in range(design.claims):
        direction, margin = CLAIMS[number % len(CLAIMS)]
        truth = float(rng.choice(TRUTHS))
        said = verdict(
            difference(design, truth, rng).estimate(level_of(design.error, design.claims)), direction, margin
        )
        holds = {"above": truth > margin, "not-below": truth > -margin, "alike": abs(truth) < margin}[direction]
        yield said, said == ("refuted" if holds else "supported")


def difference(design: Design, truth: float, rng: np.random.Generator) -> Resamples:
    """How much better ours is in the mean over two tasks, on the same draws of their patients."""
    patients = np.repeat(np.arange(design.patients), rng.integers(1, 3, design.patients))  # one or two stays each
    everybody, seeds = np.arange(design.patients), np.random.default_rng(SEED)
    sides: tuple[list[Resamples], list[Resamples]] = [], []
    for _ in range(2):
        asked = rng.random(patients.size) < 0.8  # not everybody has every task
        labels, *scores = simulated(design, patients[asked], truth, rng)
        for side, trained in zip(sides, scores, strict=True):
            statistics = {str(n): auroc_statistic(labels, values) for n, values in enumerate(trained)}
            drawn = resample(statistics, patients[asked], resamples=design.resamples, seed=0, patients=everybody)
            side.append(seeds_drawn(list(drawn.values()), seeds))
    return paired_difference(*([mean_of_tasks(side, design.patients)] for side in sides))


def simulated(
    design: Design, patients: NDArray[np.int64], truth: float, rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Labels [n], our scores and theirs [seeds, n]: normal in each class, so that AUROC is Φ(shift/√2)."""
    labels = (rng.random(patients.size) < design.prevalence).astype(np.float64)
    size = (1 + 2 * design.seeds, patients.size)
    of_patient = rng.normal(size=(size[0], int(patients.max()) + 1))
    noise = np.sqrt(0.5) * (of_patient[:, patients] + rng.normal(size=size))  # stays of a patient are alike
    areas = np.repeat([BASE + truth, BASE], design.seeds) + design.luck * rng.normal(size=2 * design.seeds)
    shifts = np.sqrt(2) * np.asarray([NormalDist().inv_cdf(float(area)) for area in areas])
    scores = shifts[:, None] * labels + np.sqrt(SHARED) * noise[0] + np.sqrt(1 - SHARED) * noise[1:]
    return labels, scores[: design.seeds], scores[design.seeds :]


if __name__ == "__main__":
    main()
