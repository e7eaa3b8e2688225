"""Model → rows: scores in the order of the examples, whatever order they were computed in."""
