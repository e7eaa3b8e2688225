"""The one loop: every stage and every method is trained by it."""
