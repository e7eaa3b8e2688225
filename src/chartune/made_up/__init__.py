"""A fictional hospital in the raw formats of real ones, whose truth is known: for trying everything without real data.

Latent conditions determine who dies (`outcome`); notes affirm some of them, deny others and are silent about the rest
(`sentences`, `admission_text`), so that words alone do not tell; an oracle gives the best that any reader can do. The
same conditions determine how long they stay, what is done (`care`) and what is billed; a `background` is billed and
documented besides. A `story` is written in the layout of MIMIC-III or MIMIC-IV, with the oddities of the real files.
"""

from chartune.made_up.admission_text import CANARY
from chartune.made_up.hospital import make_hospital
from chartune.made_up.oracle import oracle_of, oracle_probability

__all__ = ["CANARY", "make_hospital", "oracle_of", "oracle_probability"]
