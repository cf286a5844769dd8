"""Syntax trees of text of users."""

import ast
import re
from typing import Any

# Text of which Python may warn.
_MAY_WARN = re.compile(r"[0-9.][A-Za-z_]|\\")


def depth(tree: ast.AST) -> int:
    """The number of levels of a syntax tree."""
    found, level = 0, [tree]
    while level:
        found += 1
        level = [child for node in level for child in ast.iter_child_nodes(node)]
    return found


def syntax_tree(text: str, mode: str = "exec") -> Any:
    r"""The syntax tree of text of users. Python warns of `1if x` and of "\d" on standard error; here it does not."""
    if not _MAY_WARN.search(text):
        return ast.parse(text, mode=mode)
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ast.parse(text, mode=mode)
