"""Passes over networks: from plain data to plain data."""
