"""Candle files of any usual shape: where they lie, how they are read and what they hold."""
