"""Finding operators: our own, those of plug-ins, and those described in a YAML file."""
