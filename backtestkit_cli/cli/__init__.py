"""The command line: parse, call one use case, render, end with an exit code."""
