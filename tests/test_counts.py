"""Counts that the documentation states are those of the registry, the networks and the tables."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from helpers import ROOT, for_author

from flopcalc.catalog import lookup, registry
from flopcalc.cli.main import COMMANDS
from flopcalc.cost.convention import CONVENTIONS
from flopcalc.cost.kinds import KINDS
from flopcalc.networks import library
from flopcalc.published import pairs, sources, tables
from flopcalc.published.errata import errata, wrong_figures
from flopcalc.published.tool_errata import TOOL_ERRORS

PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
# The number of things of each kind, by the noun that follows it in a text.
COUNTED: dict[str, Callable[[], int]] = {
    "operators": lambda: len(registry.names()),
    "networks": lambda: len(library.names()),
    "conventions": lambda: len(CONVENTIONS),
    "kinds of cost": lambda: len(KINDS),
    "commands": lambda: len(COMMANDS),
    "figures": lambda: (
        sum(len(tables.load(name).figures) for name in tables.names())
        + sum(2 * len(pairs.load(name).rows) for name in pairs.names())
    ),
    "papers and projects": lambda: len(sources.names()),
    "errors in papers": lambda: len([*errata(lookup.every()), *wrong_figures(map(tables.load, tables.names()))]),
    "errors of other counters": lambda: len(TOOL_ERRORS),
}
_ADJECTIVES = r"(?:(?:printed|published|shipped|described) )?"
_NOUNS = rf"{_ADJECTIVES}({'|'.join(COUNTED)})\b"
_IN_DIGITS = re.compile(rf"(?<![\w.,/^*+-])(\d[\d,]*) {_NOUNS}")
_TENS = "twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety"
# Smaller numbers are written in words, and count a part of the whole.
_FROM_TEN = rf"(?:{_TENS})-\w+|{_TENS}|ten|eleven|twelve|\w+teen|hundred|thousand"
_IN_WORDS = re.compile(rf"\b(?:{_FROM_TEN}) {_NOUNS}", re.IGNORECASE)


def _text(page: Path) -> str:
    """The page on one line, without blocks of code. Of the changelog only the newest version."""
    text = page.read_text()
    if page.name == "CHANGELOG.md":
        text = "".join(text.partition("\n## ")[2].partition("\n## ")[0])
    return " ".join(re.sub(r"```.*?```", "", text, flags=re.DOTALL).split())


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_counts_are_true(page: Path) -> None:
    """Each count in digits, such as `44 operators` or `650 printed figures`."""
    for found in _IN_DIGITS.finditer(_text(page)):
        written, noun = found.groups()
        right = COUNTED[noun]()
        assert int(written.replace(",", "")) == right, for_author(
            f'{page.name} says "{found.group()}"', f"write {right}", "tests/test_counts.py"
        )


def test_the_readme_states_counts() -> None:
    """The pattern finds them, so that the test above cannot pass because it reads nothing."""
    found = {noun for _, noun in _IN_DIGITS.findall(_text(ROOT / "README.md"))}
    assert found >= {"operators", "networks", "conventions", "figures", "papers and projects"}, for_author(
        "README.md", "write these counts in digits, directly before the noun", "tests/test_counts.py"
    )


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_counts_are_in_digits(page: Path) -> None:
    """The test does not read words."""
    found = _IN_WORDS.search(_text(page))
    assert not found, for_author(
        f'{page.name} says "{found.group()}"', "write the count in digits", "tests/test_counts.py"
    )
