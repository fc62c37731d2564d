"""Candles from a table of any database that SQLAlchemy reaches."""
