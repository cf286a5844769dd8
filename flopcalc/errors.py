"""What can go wrong, and with which exit code. Imports nothing of flopcalc.

Every error that a user can cause is a `FlopcalcError`: one line that says what is wrong with the
value given, one line (the hint) that says what to do.
"""

import re
from collections.abc import Iterable
from enum import IntEnum
from os import PathLike

_FRACTION = re.compile(r"Fraction\((-?[0-9]+), ([0-9]+)\)")


class ExitCode(IntEnum):
    """Exit codes of the command line."""

    OK = 0
    CHECK_FAILED = 1
    USAGE = 2
    MISSING = 3
    BUG = 70


class FlopcalcError(Exception):
    """Bad input or a missing part.

    code: short name in kebab-case, stable, for programs.
    message: one line, what is wrong with the value given.
    hint: one line, what to do about it.
    reason, rule: where an operator does not apply to a layer, the reason alone, without the operator's name, and the
    rule of the operator in words.
    Its text, as str() and a traceback show it, has message and hint.
    """

    def __init__(
        self,
        code: str,
        message: str,
        hint: str,
        exit_code: ExitCode = ExitCode.USAGE,
        reason: str = "",
        rule: str = "",
    ) -> None:
        # Text of a user may have been put in as it is.
        message, hint = _one_line(message), _one_line(hint)
        # All of them, so that the error can be pickled.
        super().__init__(code, message, hint, exit_code, reason, rule)
        self.code = code
        self.message = message
        self.hint = hint
        self.exit_code = exit_code
        self.reason = reason
        self.rule = rule

    def __str__(self) -> str:
        return f"{self.message}\nhint: {self.hint}" if self.hint else self.message


def _one_line(text: str) -> str:
    return " ".join(line.strip() for line in text.splitlines())


def missing_package(package: str, requirement: str, purpose: str) -> FlopcalcError:
    """The error for an optional package that is not installed (exit code 3)."""
    return FlopcalcError(
        "missing-package",
        f"{purpose} needs {package}, which is not installed",
        f'pip install "{requirement}"',
        ExitCode.MISSING,
    )


def unknown_name(kind: str, name: object, known: Iterable[str], how_to_list: str) -> FlopcalcError:
    """The error for a name that nothing answers to, with the nearest known names."""
    from difflib import get_close_matches

    known = list(known)
    near = get_close_matches(str(name).lower(), known, n=3, cutoff=0.6)
    hint = f"did you mean {' or '.join(near)}? {how_to_list}" if near else how_to_list
    return FlopcalcError(f"unknown-{kind.replace(' ', '-')}", f"unknown {kind} {clip(name)}", hint)


def as_name(value: object, what: str) -> str:
    """A name or a path as text. what: `operator`, `network`. Raises FlopcalcError (bad-name) for other types."""
    path = value.__fspath__() if isinstance(value, PathLike) else value
    if not isinstance(path, str):
        raise FlopcalcError(
            "bad-name", f"the {what} is {clip(value)}, not a name or a path", f"give the name of the {what} as a string"
        )
    return path


def at_line(path: str, line: int) -> str:
    """`net.yaml, line 3`: a place in a file; line 0 where it is not known."""
    return f"{path}, line {line}" if line else path


def printable(text: str) -> str:
    r"""Text without control characters: each is shown as its escape, such as \x1b; newlines and tabs stay.

    Text of files and users may hold escape sequences of terminals, and characters that are invisible or that reverse
    the direction of the text.
    """
    if text.isprintable():
        return text
    return "".join(letter if letter.isprintable() or letter in "\n\t" else _escape(letter) for letter in text)


def _escape(letter: str) -> str:
    from unicodedata import category

    kind = category(letter)
    if kind == "Zs":
        return " "
    return letter if kind == "Co" else letter.encode("unicode_escape").decode("ascii")


def _decimal(top: int, bottom: int) -> str:
    """A fraction as people write it: 2.5, 1/3."""
    for places in range(16):
        if not 10**places % bottom:
            whole, rest = divmod(abs(top) * (10**places // bottom), 10**places)
            return f"{'-' if top < 0 else ''}{whole}" + (f".{rest:0{places}d}" if places else "")
    return f"{top}/{bottom}"


def clip(value: object, length: int = 60) -> str:
    """Repr of a user's value, cut to a length that keeps an error on one line."""
    try:
        text = printable(repr(value)).replace("\n", " ")
        if not isinstance(value, str):
            # Decimals of files are exact fractions.
            text = _FRACTION.sub(lambda found: _decimal(int(found[1]), int(found[2])), text)
    except ValueError:
        # Python writes no number of more than 4,300 digits.
        text = "a number of more than 4,300 digits"
    return text if len(text) <= length else f"{text[: length - 2]}…{text[-1]}"


def reason(error: object, length: int = 200) -> str:
    """The message of an exception of other code, as one printable line of limited length."""
    try:
        text = str(error)
    except Exception:
        return "(its message cannot be read)"
    text = printable(" ".join(text[: 10 * length].split()))
    return text if len(text) <= length else f"{text[: length - 2]}…"
