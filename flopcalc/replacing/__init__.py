"""Deciding which convolutions an operator replaces, and replacing them in a described network."""
