"""Runs on the wall clock: what is real time, real candles and a venue beside the engine."""
