"""Help texts, summaries, errors and hints are in plain English: words that readers stumble over are kept out."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from helpers import ROOT

from flopcalc.cli.main import COMMANDS, cli
from flopcalc.cost.convention import CONVENTIONS

# The pattern, and what to write instead.
WORDS = {
    r"(?<!there )\b(is|are|was|were) no\b(?! longer)": "is not a ...",
    r"\bso (many|much)\b": "the number of, n",
    r"\b(stand|stands|stood)\b": "is, applies, can replace, follows",
    r"\b(told|tell|tells)\b|\bsays itself\b": "reported, shown, named",
    r"\bbears?\b": "is named, has",
    r"\bsorts?\b": "type, kind",
    r"\bdear(er|est)?\b": "expensive, more expensive, most expensive",
    r"\bmend(s|ed|ing)?\b": "fix",
    r"\banew\b": "again",
    r"\bas you ask\b": "on each run",
    r"\bbeside\b": "next to, compared with",
    r"\b(nobody|somebody)\b": "no caller, the caller, another package",
    r"\bconfronts?\b": "compare, check against",
    r"\bwhat (it|they|he|she) (is|are) given\b": "the input, the module, the option",
    r"\bspeaks? of\b": "is about",
    r"\bprints\b": "printed equations, shows",
    r"\bwith which\b": "name the thing",
}
# A phrase that one of the patterns finds and that is plain English all the same -> why.
ALLOWED: dict[str, str] = {
    "cannot-stand": "the code of an error: programs rely on it",
}

# Calls whose texts reach the user as an error or a hint.
_CALLS = re.compile(
    r".*(Error|error|errors)|_?fail|_?uncountable|unknown_name|missing_package|broken_plug_in|no_closed_form|Rule|Policy"
)
# Names that hold such a text before it is raised.
_NAMES = re.compile(r"_?(hint|how|why|message|reason|problem|advice|told|HINT|HOW|WHY)(_.*)?")


def _plain(text: str) -> list[str]:
    """The words in a text that are not plain, each with what to write instead."""
    for phrase in ALLOWED:
        text = text.replace(phrase, "")
    return [
        f"{found.group()!r} in {text!r}: write {instead}"
        for pattern, instead in WORDS.items()
        if (found := re.search(pattern, text, re.IGNORECASE))
    ]


def _help(command: click.Command) -> Iterator[str]:
    yield command.help or ""
    yield command.epilog or ""
    for param in command.params:
        yield getattr(param, "help", None) or ""
        yield str(param.metavar or "")
    if isinstance(command, click.Group):
        for name in command.list_commands(click.Context(command)):
            inner = command.get_command(click.Context(command), name)
            assert inner is not None
            yield from _help(inner)


def test_help() -> None:
    """Every command and every option; summaries; conventions."""
    texts = [*_help(cli), *COMMANDS.values(), *(one.text for one in CONVENTIONS.values())]
    assert len(texts) > 200
    found = [problem for text in texts for problem in _plain(text)]
    assert not found, "rewrite these help texts:\n" + "\n".join(found)


def _literals(node: ast.AST) -> Iterator[str]:
    """The texts in an expression; an f-string is one text, with ... for its values."""
    if isinstance(node, ast.JoinedStr):
        yield "".join(str(part.value) if isinstance(part, ast.Constant) else "..." for part in node.values)
        for part in node.values:
            if isinstance(part, ast.FormattedValue):
                yield from _literals(part.value)
    elif isinstance(node, ast.Constant):
        if isinstance(node.value, str):
            yield node.value
    else:
        for child in ast.iter_child_nodes(node):
            yield from _literals(child)


def _name(node: ast.AST) -> str:
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""


def messages(source: str) -> Iterator[tuple[int, str]]:
    """Line and text of what may become an error message or a hint."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and _CALLS.fullmatch(_name(node.func)):
            for argument in [*node.args, *(keyword.value for keyword in node.keywords)]:
                yield from ((node.lineno, text) for text in _literals(argument))
        elif isinstance(node, ast.Assign | ast.AugAssign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            if node.value is not None and any(_NAMES.fullmatch(_name(target)) for target in targets):
                yield from ((node.lineno, text) for text in _literals(node.value))


FILES = sorted((ROOT / "flopcalc").rglob("*.py"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_errors_and_hints(path: Path) -> None:
    """String literals in calls that make errors, and in variables named hint, why and so on."""
    found = [f"line {line}: {problem}" for line, text in messages(path.read_text()) for problem in _plain(text)]
    assert not found, f"rewrite these texts in {path.relative_to(ROOT)}:\n" + "\n".join(dict.fromkeys(found))


def test_the_collector_finds_texts() -> None:
    """Calls, f-strings, variables; other texts are left alone. Without this the test above could be empty."""
    source = (
        'raise FlopcalcError("code", f"{x} is no number", "mend it")\n'
        'raise file.error(data, "key", f"a {y or \'dear\'} thing")\n'
        'hint = "write it anew"\n'
        'title = "stands"\n'
    )
    assert {text for _, text in messages(source)} >= {"... is no number", "mend it", "dear", "write it anew"}
    assert "stands" not in {text for _, text in messages(source)}
    assert len([problem for _, text in messages(source) for problem in _plain(text)]) == 4
    assert sum(len(list(messages(path.read_text()))) for path in FILES) > 500


def test_every_exception_is_needed() -> None:
    """An entry of the allow-list that no text has any more is removed."""
    texts = [*_help(cli), *(text for path in FILES for _, text in messages(path.read_text()))]
    assert [phrase for phrase in ALLOWED if not any(phrase in text for text in texts)] == []
