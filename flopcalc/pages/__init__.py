"""A report as one self-contained page, and as a block for a model card. Computes nothing: it shows other records."""
