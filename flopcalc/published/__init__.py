"""Tables of papers: reading them, comparing them with computed figures, and their errors."""
