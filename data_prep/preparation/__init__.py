"""What the modules of the single sources share: lists of entries in, shards with their reports out."""
