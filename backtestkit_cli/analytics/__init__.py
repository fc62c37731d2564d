"""Numbers about trades and equity: pure functions that return None where a sample does not support a figure."""
