"""What a strategy author imports: registration by name, and the functions that work inside a run."""
