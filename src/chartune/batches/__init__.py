"""Prepared text becomes token arrays, packed blocks and batches."""
