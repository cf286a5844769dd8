"""Assertions about costs in tests: the object that the pytest fixture `flopcalc` gives."""

from flopcalc.budget.assertions import Costs, Snapshot, snapshot_path

__all__ = ["Costs", "Snapshot", "snapshot_path"]
