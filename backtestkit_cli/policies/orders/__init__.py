"""Entry orders: when and at which price a signal gets into the market, one module a kind."""
