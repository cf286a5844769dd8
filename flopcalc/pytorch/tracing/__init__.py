"""Counting above the dispatcher: the work of functions from sizes alone, over the dispatch mode for all others."""
