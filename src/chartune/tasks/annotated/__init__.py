"""What is asked of an annotated corpus: spans, relations, assertions, entailment; and their preparation."""
