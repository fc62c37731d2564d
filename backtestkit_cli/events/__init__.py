"""Facts: what happened in a run, and who hears of it."""
