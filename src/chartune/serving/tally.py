"""Tally: what a bank has done since it began, for whoever watches it. Numbers of the machine, none of a note."""

from dataclasses import dataclass


@dataclass
class Tally:
    """Counts of one bank; written by it, read by anybody."""

    loads: int = 0
    evictions: int = 0
    refusals: int = 0
    """Of runs that failed a check."""
    cells: int = 0
    """Of mixed batches: rows by the length of the longest."""
    tokens: int = 0
    """In these cells."""

    @property
    def padding(self) -> float | None:
        """Cells for each token, to two digits; None: no mixed batch has been read."""
        return round(self.cells / self.tokens, 2) if self.tokens else None

    def batch(self, cells: int, tokens: int) -> None:
        """Count a mixed batch."""
        self.cells += cells
        self.tokens += tokens
