"""Sources of candles: files, tables and the built-in demo market, checked at the door."""
