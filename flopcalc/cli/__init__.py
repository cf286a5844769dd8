"""The command line: one file for each command; `flopcalc.cli.main` is the entry point."""

import gc

# A short process makes little garbage, and looking for it while modules load costs a twentieth of the
# start-up.
gc.set_threshold(100_000)
