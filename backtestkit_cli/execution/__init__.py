"""Venues that are simulated here: they answer as the `Broker` port asks, and reach nobody."""
