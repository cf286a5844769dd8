"""Symbolic whole numbers: the sizes of a network as exact expressions, in plain Python and without other packages."""
