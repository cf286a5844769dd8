"""What is installed, and what it enables. Reads metadata; loads no optional package."""
