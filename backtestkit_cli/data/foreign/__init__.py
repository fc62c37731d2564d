"""Candles as others write them: times of any unit or form, and the row that is wrong in one line."""
