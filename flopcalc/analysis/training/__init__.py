"""The cost of training: the forward and the backward pass of one step."""
