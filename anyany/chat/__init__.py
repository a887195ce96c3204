"""A conversation that keeps its state."""
