"""What `btk doctor` looks at: whether everything a run needs is there and works."""
