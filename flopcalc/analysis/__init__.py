"""Pure data in, pure data out: records of layers, networks and their proofs."""
