"""Where the wings meet: prepared text becomes token arrays, packed blocks and batches."""
