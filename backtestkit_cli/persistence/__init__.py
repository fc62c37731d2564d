"""Where a run keeps what it must not forget: stores of JSON records, and the journals that speak to them."""
