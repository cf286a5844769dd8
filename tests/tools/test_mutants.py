"""The list of equivalent mutants."""

import ast
import sys

import pytest
from helpers import ROOT

sys.path.append(str(ROOT / "tools"))

from mutants import mutants
from mutate import justified

# Other versions of Python write some expressions in another way.
pytestmark = pytest.mark.skipif(sys.version_info[:2] != (3, 11), reason="the list is written with Python 3.11")
ENTRIES = list(justified())


@pytest.mark.parametrize("path", sorted({one.partition(":")[0] for one in ENTRIES}))
def test_each_entry_is_a_mutant(path: str) -> None:
    """Its code is there still; where it has changed, the reason must be looked at again."""
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    found = {mutant.key for mutant, _ in mutants(path, tree)}
    assert [one for one in ENTRIES if one.startswith(f"{path}:") and one not in found] == []


def test_each_entry_has_a_reason() -> None:
    """In words."""
    assert [key for key, why in justified().items() if len(why.split()) < 3] == []
