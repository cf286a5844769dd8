"""The progress bar of commands, on a terminal: see `flopcalc.networks.progress_bar`."""

from flopcalc.networks.progress_bar import bar, progress_bar

__all__ = ["bar", "progress_bar"]
