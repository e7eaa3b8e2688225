"""Containment: how much of a held-out text stands in one text that is learnt from. Audit and preparation ask it.

    held-out texts ─runs of eight words─▶ pile ─▶ rare runs, round by round ◀─ texts that are learnt from, by block
                                                         └─▶ text · document · share of the text's rare runs

What it cannot see: paraphrase, another language, tables whose cells stand in another order, a text spread over several
documents or cut every few words (line numbers, hyphens, in a corpus other masks), and texts with too few rare runs
(`chartune.tasks.containment.round.LEAST`), which are reported as not judged.
"""
