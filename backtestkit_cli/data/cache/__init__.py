"""Candles kept on disk: monthly Parquet files, each with its part of the gap map, shared by many processes."""
