"""What the modules share that show data to a person: peek, stats, contact_sheet."""
