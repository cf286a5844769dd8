"""The log of calls that a module makes, for the rules of other counters."""
