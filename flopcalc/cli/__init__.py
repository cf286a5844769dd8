"""The command line: one file for each command; `main` is the entry point."""

from flopcalc.cli.main import main

__all__ = ["main"]
