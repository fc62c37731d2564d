"""Readable reports, one module a kind: the same run gives the same bytes."""
