"""The command line: one file for each command, and `main` with the group of them."""
