"""Layers of a network that are not operators: normalization, activations, pooling, joins."""
