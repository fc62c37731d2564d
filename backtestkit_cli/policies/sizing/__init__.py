"""Sizing: how much an entry buys, from a balance, the prices of the entry and the candles before it."""
