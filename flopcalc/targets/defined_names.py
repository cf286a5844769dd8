"""The names that a Python file defines, found without running it."""

import ast
from contextlib import suppress

from flopcalc.errors import FlopcalcError
from flopcalc.text.input_file import decode, read_bytes
from flopcalc.text.syntax import syntax_tree


def defined_names(path: str) -> list[str]:
    """Public classes and functions of a Python file; empty if it cannot be read."""
    with suppress(FlopcalcError, SyntaxError, ValueError, RecursionError, MemoryError):
        tree = syntax_tree(decode(read_bytes(path, "Python file")))
        kinds = (ast.ClassDef, ast.FunctionDef)
        return [node.name for node in tree.body if isinstance(node, kinds) and not node.name.startswith("_")]
    return []
