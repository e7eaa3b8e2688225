"""What others can reuse in their tests: tiny random base models and tiny tokenizers, made on the spot."""
