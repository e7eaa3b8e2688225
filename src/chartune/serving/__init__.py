"""Many tasks over one base model: a bank of adapters and heads, and batches in which each row has its own."""
