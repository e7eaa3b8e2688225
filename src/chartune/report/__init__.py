"""What we say: one self-contained HTML file over finished runs. It holds counts and scores, never a row or a word."""

from chartune.report.render import render, report_of

__all__ = ["render", "report_of"]
