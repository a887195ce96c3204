"""Pure tensor functions, and an optimizer that is little more."""
