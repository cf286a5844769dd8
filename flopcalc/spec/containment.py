"""Running code of other packages: whatever it raises becomes one clear error, and its output goes to stderr."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout

from flopcalc.errors import FlopcalcError, reason


def broken_plug_in(what: str, why: str, hint: str = "fix the package, or uninstall it") -> FlopcalcError:
    """The error for a plug-in that cannot be used."""
    return FlopcalcError("broken-plug-in", f"{what} cannot be used: {why}", hint)


def broken_record(file: str, why: str) -> FlopcalcError:
    """The error for a file of an operator in flopcalc that cannot be used."""
    return FlopcalcError("broken-operator", f"{file} cannot be used: {why}", "correct the file")


@contextmanager
def contained(what: str, broken: Callable[[str, str], FlopcalcError] = broken_plug_in) -> Iterator[None]:
    """Turn everything that the code raises, `SystemExit` included, into the FlopcalcError that `broken` makes.

    An interrupt by the user passes, and so does a FlopcalcError or a signal of flopcalc's symbols.
    """
    try:
        yield
    except (KeyboardInterrupt, FlopcalcError):
        raise
    except BaseException as error:
        if type(error).__module__.startswith("flopcalc."):
            raise
        text = reason(error)
        why = f"{type(error).__name__}: {text}" if text else type(error).__name__
        raise broken(what, why) from error


@contextmanager
def contained_import(what: str) -> Iterator[None]:
    """As `contained`, and what the code prints goes to stderr, so that JSON on stdout stays JSON."""
    with contained(what), redirect_stdout(sys.stderr):
        yield
