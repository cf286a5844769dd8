"""`python -m flopcalc`."""

from flopcalc.cli.main import run

run()
