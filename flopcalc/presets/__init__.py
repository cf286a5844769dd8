"""Other counters, rule by rule: what each would report for a module, worked out from a log of its calls."""
