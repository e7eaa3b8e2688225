"""Data meets model: a Stage says what will be done, its Run what was done."""
