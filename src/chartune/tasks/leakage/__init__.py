"""The leakage audit: what prepared data give away. Counts and shares only, never an id or a word of a note."""
