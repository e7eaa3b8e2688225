"""How a base model is adapted: the published methods, their trained weights, and how several are stacked."""
