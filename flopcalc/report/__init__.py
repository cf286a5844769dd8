"""Documents and their text in each format. Computes nothing: records come in, text goes out."""
