"""The claims of a study with the runs that decide them, as a report gets them.

study ─lock─▶ claims/<hash>.json ─▶ cells ─▶ runs that name the hash ─▶ Asked ─▶ chartune.report.claims
"""

from chartune.report.claims import Asked, Side
from chartune.runs.locks import hash_of, lock
from chartune.store import Store
from chartune.studies.claims import Claim, claimed_of, locked_content, one_by_one, tried
from chartune.studies.claims import Side as Meant
from chartune.studies.standing import Survey
from chartune.studies.study import Study


def lock_claims(study: Study, store: Store) -> None:
    """Write the claims of a study into a store, before a test split is scored; none: nothing is written.

    Raises:
        StoreError: they cannot be written.
    """
    if study.claims:
        lock(store, locked_content(study.claims, study.claims_error, study))


def asked_claims(survey: Survey) -> tuple[Asked, ...]:
    """The claims of a study, with the runs of their sides that are in the store."""
    study = survey.family.study
    if not study.claims:
        return ()
    name = hash_of(locked_content(study.claims, study.claims_error, study))
    return tuple(_asked(claim, name, survey) for claim in one_by_one(study.claims.values(), survey.family.cells))


def _asked(claim: Claim, name: str, survey: Survey) -> Asked:
    ours, *against = (_side(claim, side, survey) for side in claim.sides)
    return Asked(claim.says, claim.direction, claim.margin, ours, tuple(against), name)


def _side(claim: Claim, side: Meant, survey: Survey) -> Side:
    cells = survey.family.cells
    numbers = claimed_of(claim, side, cells)
    found = {task: [run for n in ns if (run := survey.standings[n].run)] for task, ns in numbers.items()}
    missing = sum(len(ns) for ns in numbers.values()) - sum(map(len, found.values()))
    called = cells[next(iter(numbers.values()))[0]].name
    runs = {task: tuple(those) for task, those in found.items()}
    return Side(called, runs, tried(side, cells), missing)
