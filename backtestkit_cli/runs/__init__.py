"""The composition root: picks which adapters are real and drives one run from settings to result."""
