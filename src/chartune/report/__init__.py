"""What we say: one self-contained HTML file over finished runs. It holds counts and scores, never a row or a word.

    runs ─▶ variants (seeds together) ─┬─ scores · compare · labels · cost · adaptation            numbers in tables
                                       ├─ forest · curves · diagnostics · price                    numbers in figures
                                       ├─ marks · summary · words · provenance · card              words
                                       └─▶ outcome ─▶ render ─▶ report.html

The way in is `chartune.report.render`. The card of a single run is `chartune.report.card`, which needs no drawing.
"""
