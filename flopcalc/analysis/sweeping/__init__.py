"""All combinations of shapes and options: the computation behind `flopcalc.sweep`."""
