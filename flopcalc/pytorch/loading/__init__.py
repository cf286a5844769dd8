"""Loading and building the Python model that a user names."""
