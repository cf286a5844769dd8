"""Costs as a contract: limits in a file of the project, a lock file of exact costs, and their check."""
