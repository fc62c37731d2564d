"""What `btk store` does with the records of a store: looking at them, and copying them elsewhere."""
