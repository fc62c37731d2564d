"""A run as one page for the browser that needs nothing but itself."""
