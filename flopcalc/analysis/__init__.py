"""Passes over networks: pure data in, pure data out."""
