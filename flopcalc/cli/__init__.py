"""The command line: one file for each command; `flopcalc.cli.main` is the entry point."""
