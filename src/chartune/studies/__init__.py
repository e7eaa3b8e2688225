"""Which question: designed comparisons of stages."""
