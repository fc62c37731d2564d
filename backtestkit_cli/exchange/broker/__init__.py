"""Orders at a venue of ccxt: the real `Broker`."""
