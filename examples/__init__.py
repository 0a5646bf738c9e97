"""Examples for users, and what generates them."""
