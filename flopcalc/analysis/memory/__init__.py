"""What a network keeps in memory: weights, activations, saved tensors, gradients and the state of an optimizer."""
