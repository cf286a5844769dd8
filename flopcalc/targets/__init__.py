"""What a user asks about: a described network, a Python model or an operator, and reading it."""
