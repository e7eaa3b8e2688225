"""The leakage audit: what prepared data give away. Counts, shares and widely shared phrases, never an id."""
