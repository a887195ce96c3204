"""What came out, measured."""
