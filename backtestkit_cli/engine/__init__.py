"""The one engine of every mode: clock, session, lifecycle, exits, commands; it reaches the world through ports only."""
