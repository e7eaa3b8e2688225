"""A dataset at a version: raw tables with their contracts, the canonical frames they become, who is in which split."""
