"""Counting a real module, kernel by kernel, in one forward pass."""
