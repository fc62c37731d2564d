"""Places that keep bytes by key: a module for each kind of them."""
