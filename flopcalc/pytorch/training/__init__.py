"""The training cost of modules: a backward pass of a copy, counted kernel by kernel."""
