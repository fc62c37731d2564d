"""Flags, environment and YAML in; typed settings out, each with its origin and every mistake with its line."""
