"""The one form of a sample, its rendering to tokens, and its collating to batches."""
