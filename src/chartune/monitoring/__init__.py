"""Monitoring: a run in use beside the rows that it was tested on, by windows, with alarms by a stated rule.

own test split ─▶ Reference: lengths, cuts, unknown words, scores ─┐
rows that were scored ─ windows of 500 ────────────────────────────┴▶ PSI, p ─▶ alarm?  (`chartune.runs.monitored`)
outcomes that came back ─▶ observed to expected, AUROC beside those of the test split ─▶ alarm?
"""
