"""Replacing the convolutions of a real module by operators."""
