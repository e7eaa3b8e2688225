"""Searches replayed on a table: how far from the best setting each ends, over many seeds; nothing is trained.

    python benchmarks/search_replay.py STORE/searches/NAME/search.json [--seeds 100] [--trials 20] [--equal 6 8 12]

The table is a finished search with `sampler: grid` and as many trials as its space has settings; with a `fidelity`
that promotes all of them it has both scores of each setting, and trials on a share are replayed against full ones at
equal tokens. The loop, the samplers and the rules are those of `chartune search`; its evaluation looks a score up.
"""

import argparse
import json
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from chartune.search.choice import Search
from chartune.search.extra import optuna
from chartune.search.loop import Problem, searched
from chartune.search.space import Settings, Space, key_of
from chartune.search.trial import Outcome

RESAMPLES = 10_000


@dataclass(frozen=True)
class Table:
    """Every setting of a space with its scores."""

    space: Space
    lower_is_better: bool
    full: Mapping[str, float]
    """Key of the settings → score of the whole training."""
    low: Mapping[str, float]
    """Likewise, of a share of it; empty: none was trained so."""
    share: float = 1.0
    note: str = ""
    """Where it comes from; of a synthetic one, that it is."""

    @property
    def best(self) -> float:
        """The best score of a whole training."""
        return min(self.full.values()) if self.lower_is_better else max(self.full.values())

    def regret(self, score: float) -> float:
        """How far a score is from the best one; never below 0."""
        return (score - self.best) * (1 if self.lower_is_better else -1)

    def outcome(self, settings: Settings, share: float) -> Outcome:
        """What an evaluation would give; a whole training takes 1,000 tokens."""
        key = key_of(settings)
        score = self.full.get(key) if share == 1 else self.low.get(key)
        return Outcome(score, f"{key} {share}", round(1000 * share), share, "" if score is not None else "it failed")


def table_of(file: Path) -> Table:
    """The table in the record of a search.

    Raises:
        SystemExit: it lacks settings of its space.
    """
    known: Mapping[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    space, share = Space.parse(known["space"]), float(known["share"])
    listed = {name: _scores(known[name]) for name in ("trials", "promoted")}
    full, low = (listed["promoted"], listed["trials"]) if share < 1 else (listed["trials"], {})
    missing = sum(key_of(space.settings(point)) not in full for point in space.points or ())
    if not space.points or missing:
        raise SystemExit(f"a table must have every setting of its space, but {file} lacks {missing} of {space.size}")
    return Table(space, bool(known["lower_is_better"]), full, low, share, str(known.get("note", "")))


def _scores(trials: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    return {
        key_of(trial["settings"]): float(trial["outcome"]["score"])
        for trial in trials if trial["state"] == "complete"
    }  # fmt: skip


def regrets(table: Table, search: Search, seeds: range) -> list[float]:
    """The regret of a search for each seed; of one that found nothing, that of the worst setting."""
    found = []
    for seed in seeds:
        problem = Problem("replay", table.space, search.model_copy(update={"seed": seed}), table.lower_is_better)
        best = searched(problem, table.outcome, optuna().storages.InMemoryStorage()).best(problem)
        found.append(max(map(table.regret, table.full.values())) if best is None else table.regret(best.score or 0.0))
    return found


def at_equal_tokens(table: Table, equal: int, promoted: int) -> tuple[Search, Search]:
    """A search of so many whole trainings, and one on a share whose promoted ones are paid from the same tokens."""
    full = Search.parse({"trials": equal})
    short = max(promoted, int((equal - promoted) / table.share + 1e-9))
    fidelity = {"share": table.share, "promoted": promoted}
    return full, Search.parse({"trials": min(short, table.space.size or short), "fidelity": fidelity})


def difference(ours: Sequence[float], others: Sequence[float]) -> tuple[float, float, float]:
    """Mean of the paired differences over seeds, and its 95 % interval by bootstrap."""
    paired = np.asarray(ours) - np.asarray(others)
    drawn = paired[np.random.default_rng(0).integers(0, len(paired), (RESAMPLES, len(paired)))].mean(axis=1)
    low, high = np.quantile(drawn, [0.025, 0.975])
    return float(paired.mean()), float(low), float(high)


def compared(name: str, ours: Sequence[float], other: str, others: Sequence[float]) -> str:
    """Two ways in a line."""
    mean, low, high = difference(ours, others)
    verdict = "excludes zero" if low > 0 or high < 0 else "does not exclude zero"
    return (
        f"{name} {statistics.fmean(ours):.4g}, {other} {statistics.fmean(others):.4g}; difference "
        f"{mean:+.4g} [{low:+.4g}, {high:+.4g}], which {verdict}"
    )


def main(words: Sequence[str] | None = None) -> None:
    """Replay and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("table", type=Path)
    parser.add_argument("--seeds", type=int, default=100)
    parser.add_argument("--trials", type=int, default=20)
    parser.add_argument("--equal", type=int, nargs="*", default=[6, 8, 12], help="whole trainings of equal tokens")
    parser.add_argument("--promoted", type=int, default=4)
    asked = parser.parse_args(words)
    table, seeds = table_of(asked.table), range(asked.seeds)
    print(f"{table.space.size} settings{f' ({table.note})' if table.note else ''}, best {table.best:.6g}; mean regret "
          f"over {asked.seeds} seeds")  # fmt: skip
    gp, tpe, chance = (
        regrets(table, Search.parse({"trials": asked.trials, "sampler": sampler}), seeds)
        for sampler in ("gp", "tpe", "random")
    )
    print(f"{asked.trials} trials: {compared('gp', gp, 'random', chance)}")
    print(f"{asked.trials} trials: {compared('tpe', tpe, 'random', chance)}")
    for equal in asked.equal if table.low else ():
        full, short = at_equal_tokens(table, equal, min(asked.promoted, equal - 1))
        pair = (regrets(table, short, seeds), regrets(table, full, seeds))
        print(f"{equal} trainings' tokens, {short.trials} trials on {100 * table.share:g} %: "
              f"{compared('on a share', pair[0], 'in full', pair[1])}")  # fmt: skip


if __name__ == "__main__":
    main()
