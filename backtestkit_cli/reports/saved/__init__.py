"""A run as its folder holds it: written, listed, read back and deleted."""
