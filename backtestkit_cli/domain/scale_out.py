"""Partial levels at which positions are usually taken apart, in percent of the way to target or stop."""

TP_LEVEL1, TP_LEVEL2, TP_LEVEL3 = 100, 50, 25
SL_LEVEL1, SL_LEVEL2 = 100, 50
