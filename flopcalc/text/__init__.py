"""Reading and writing text: expressions, YAML with line numbers, files written atomically."""
