"""One file for each operator; the file's name is the operator's. Files with a leading underscore hold
what several share. `flopcalc.catalog.lookup` finds the files; nothing lists them.
"""
