"""Loss series that a change which should not alter numerics leaves as they are."""
