"""Following the tensors of a module through a forward, and a backward, on a structural copy."""
