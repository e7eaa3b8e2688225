"""Ventilation: when a machine, a mask or a cannula helped a patient breathe, derived from the bedside chart.

    CHARTEVENTS ─chart_rows─▶ rows of a few items ─by_patient─▶ groups of whole patients ─mimic3, mimic4─▶ episodes

The rules are those that mimic-code publishes for MIMIC-III and for MIMIC-IV, written anew from their description.
"""

from chartune.sources.ventilation.episodes import EPISODES, OxygenJoin, Ventilation

__all__ = ["EPISODES", "OxygenJoin", "Ventilation"]
