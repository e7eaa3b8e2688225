"""The text of the chart: what a note is, how it is cleaned, and which of its sections were known on arrival."""
