"""Profiles: other ways to ask a study's question, each as what it writes over the file.

    shared:   {finetune: {optimisation: {batch_size: 100}}}
    profiles: {as-coded: {shared: {finetune: {optimisation: {batch_size: 80}}}}}

`--profile as-coded` writes it over the file before all flags. Lists are replaced whole; null takes a `space` away.
"""

from collections.abc import Mapping
from typing import Any, Final

from chartune.config_errors import short
from chartune.errors import ConfigError
from chartune.mapping import merged

PROFILES: Final = "profiles"


def profiled(written: Mapping[str, Any], name: str | None, place: str = "") -> dict[str, Any]:
    """A study as plain data under one of its profiles, of which it then has none.

    Args:
        written: a study as plain data.
        name: of the profile; None: the study as it stands.
        place: where it comes from, named in errors.

    Raises:
        ConfigError: it has no such profile, or that is no mapping.
    """
    if name is None:
        return dict(written)
    known = written.get(PROFILES) or {}
    chosen = known.get(name) if isinstance(known, Mapping) else None
    if not isinstance(chosen, Mapping):
        names = ", ".join(map(str, known)) if isinstance(known, Mapping) and known else "none"
        raise ConfigError(
            f"a profile must be one that the study has ({names}), as a mapping, but {short(name)} is none"
            f"{f' in {place}' if place else ''}."
        )
    return {key: value for key, value in merged(written, chosen).items() if key != PROFILES}
