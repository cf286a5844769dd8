"""Documents -> text in any format. Computes nothing: rows come in, text goes out."""
