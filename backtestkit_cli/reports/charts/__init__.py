"""Pictures of a run as files: the same run and the same matplotlib give the same bytes."""
