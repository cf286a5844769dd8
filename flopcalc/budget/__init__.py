"""Costs as a contract: limits, the lock file of exact costs, their check, and the assertions of tests."""
