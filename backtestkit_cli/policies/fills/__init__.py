"""Fill models: at which price an order is filled within a minute, one module each."""
