"""Networks as named layers: the record, the YAML language, and the shipped descriptions."""
