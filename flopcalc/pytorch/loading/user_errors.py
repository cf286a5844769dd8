"""Errors of a user's code in words: what went wrong, and in which of its lines."""

import os
import sysconfig
from typing import NoReturn

from flopcalc.errors import FlopcalcError, reason

# What torchvision says where it was built for another torch.
DOES_NOT_FIT = "operator torchvision::nms does not exist"
FIX_IT = "fix it, or see the traceback with --debug"
# Folders of code that is not the user's: Python's own library, and this package.
_PACKAGE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
_NOT_THEIRS = tuple(os.path.join(folder, "") for folder in (sysconfig.get_path("stdlib"), _PACKAGE))


def import_failed(target: str, error: BaseException) -> NoReturn:
    """Raise the error for code that fails while it is imported."""
    if isinstance(error, SyntaxError):
        message = f"{error.filename or target}, line {error.lineno}: {reason(error.msg)}"
        raise FlopcalcError("broken-module", message, "fix the file; it is not valid Python") from error
    hint = FIX_IT
    if isinstance(error, ModuleNotFoundError) and error.name:
        hint = f"install {error.name.split('.')[0]} next to flopcalc, or run flopcalc where it can be imported"
    elif isinstance(error, ImportError) and "relative import" in str(error):
        hint = "write package.module:NAME, and run flopcalc in the folder that holds the package"
    elif isinstance(error, SystemExit):
        hint = 'put code that runs a program under if __name__ == "__main__":'
    elif DOES_NOT_FIT in reason(error):
        hint = "this torchvision was built for another torch: install both from the same place"
    raise FlopcalcError("broken-module", f"importing {target} failed: {in_words(error)}", hint) from error


def in_words(error: BaseException) -> str:
    """`ValueError: bad width (net.py, line 12)`: an error, and the last line of the user's code that led to it."""
    text = "it calls sys.exit" if isinstance(error, SystemExit) else f"{type(error).__name__}: {reason(error)}"
    return f"{text}{place_of(error)}"


def place_of(error: BaseException | None) -> str:
    """` (net.py, line 12)`: the last line of the user's code that led to an error; empty where it is not known."""
    places, trace = [], error.__traceback__ if error else None
    while trace is not None:
        file = trace.tb_frame.f_code.co_filename
        if os.path.isfile(file) and "site-packages" not in file and not file.startswith(_NOT_THEIRS):
            places.append(f"{os.path.basename(file)}, line {trace.tb_lineno}")
        trace = trace.tb_next
    return f" ({places[-1]})" if places else ""
