"""Every call of a broker once, with the least that the venue takes; what it opens, it closes."""
