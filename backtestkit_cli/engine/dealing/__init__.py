"""From what a session decides to what a venue does: every order saved before it is sent, every fill booked once."""
