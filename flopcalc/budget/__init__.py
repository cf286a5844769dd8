"""Limits on costs, the lock file of exact costs, their check, and the assertions for tests."""
