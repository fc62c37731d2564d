"""Venues: candles, markets and rules of real exchanges through ccxt."""
