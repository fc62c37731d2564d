"""Two runs held against each other: their inputs, their figures and their trades."""
