"""Measuring how long a forward takes on this machine."""
