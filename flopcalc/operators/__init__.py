"""One file for each operator, with the name of the operator. Files with a leading underscore hold code that
several operators share. `flopcalc.catalog.lookup` finds the files; they are not listed anywhere.
"""
