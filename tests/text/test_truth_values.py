"""`true` and `false` in expressions, as YAML writes them."""

import ast
from pathlib import Path

import pytest

from flopcalc import FlopcalcError, network
from flopcalc.replacing import clause
from flopcalc.targets.limits import read_limit
from flopcalc.text.expression import evaluate, parse


@pytest.mark.parametrize(
    ("text", "names", "value"),
    [
        ("true", {}, True),
        ("false", {}, False),
        ("True", {}, True),
        ("flag == true", {"flag": True}, True),
        ("flag == true", {"flag": False}, False),
        ("flag != false and not false", {"flag": True}, True),
        ("3 if false else 4", {}, 4),
        ("max(1, 2) == 2 == true", {}, False),
        # A constant, whatever the names are.
        ("true", {"true": 0}, True),
    ],
)
def test_truth_values(text: str, names: dict[str, object], value: object) -> None:
    """In lower case like in upper case."""
    assert (evaluate(text, names), type(evaluate(text, names))) == (value, type(value))


def test_truth_values_are_constants() -> None:
    """Code that walks the tree, such as the check of where clauses, sees no name."""
    assert not [node for node in ast.walk(parse("a == true or false")) if getattr(node, "id", "a") != "a"]


@pytest.mark.parametrize("text", ["TRUE", "yes", "on", "true(1)", "truex"])
def test_other_words_are_names(text: str) -> None:
    """YAML 1.1 had more words."""
    with pytest.raises(FlopcalcError):
        evaluate(text, {})


@pytest.mark.parametrize(
    ("when", "layers"), [("flag == true", 2), ("flag == false", 1), ("false", 1), ("not false", 2)]
)
def test_a_condition_of_a_description(when: str, layers: int, tmp_path: Path) -> None:
    """The example of the issue: `when: flag == true`."""
    path = tmp_path / "net.yaml"
    path.write_text(
        "input: [3, 8, 8]\noptions: {flag: {default: true}}\n"
        f"layers:\n  - conv: conv\n  - relu: {{op: relu, when: '{when}'}}\n"
    )
    assert len(network(str(path)).layers) == layers


def test_a_where_clause() -> None:
    """Both cases, as a comparison and as a condition."""
    for text in ("first == true", "True == first", "not first == false", "first and true"):
        clause.check(text)
        assert clause.holds(text, {"first": True, "name": "a"})
        assert not clause.holds(text, {"first": False, "name": "a"})
    assert clause.names("first == true") == {"first"}


def test_a_limit() -> None:
    """The right side of a limit is a number, so that both cases are the same error."""
    for word in ("true", "True"):
        with pytest.raises(FlopcalcError, match="True is no"):
            read_limit(f"macs <= {word}", "network")
