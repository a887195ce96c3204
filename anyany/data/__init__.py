"""From tar shards to optimizer steps: index, plan, reading, ledger."""
