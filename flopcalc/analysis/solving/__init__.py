"""Finding the value of an option, or the operator of each layer, that meets a target."""
