"""What moves the levels of an open position or buys more of it, without a line of the author's code."""
