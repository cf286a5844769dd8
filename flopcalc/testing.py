"""Costs in tests: what the pytest fixture `flopcalc` is."""

from flopcalc.budget.assertions import Costs, Snapshot, snapshot_path

__all__ = ["Costs", "Snapshot", "snapshot_path"]
