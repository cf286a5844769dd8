"""Layers of a network that are not operators: normalisation, activations, pooling, joins."""
