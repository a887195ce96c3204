"""Parts, their contracts, and the model they make."""
