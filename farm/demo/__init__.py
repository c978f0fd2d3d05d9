"""The jobs of `make demo`: they need nothing but Python, and draw real pictures."""
