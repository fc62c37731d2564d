"""Replaceable decisions: pure rules that a run picks by name; each kind has its folder or module."""
