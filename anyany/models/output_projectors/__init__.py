"""Output projectors: one class a file."""
