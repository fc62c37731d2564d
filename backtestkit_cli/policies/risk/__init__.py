"""The built-in risk rules."""
