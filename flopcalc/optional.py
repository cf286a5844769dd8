"""Packages that only some commands need: imported on first use; one that is missing or broken is an error in words."""

from importlib import import_module
from typing import Any

from flopcalc.errors import ExitCode, FlopcalcError, missing_package, reason
from flopcalc.interrupts import delayed_interrupts


def load(module: str, package: str, requirement: str, purpose: str) -> Any:
    """The module of an optional package.

    package: its name in messages. requirement: what pip installs. purpose: what needs it, in words.
    Raises FlopcalcError (missing-package, exit code 3) where it is not installed, or is and cannot be imported.
    """
    top = module.partition(".")[0]
    try:
        # C code of torch and NumPy swallows one, or reports it as a module that is missing.
        with delayed_interrupts():
            import_module(top)
            return import_module(module)
    except Exception as error:
        if isinstance(error, ModuleNotFoundError) and error.name == top:
            raise missing_package(package, requirement, purpose) from None
        raise FlopcalcError(
            "missing-package",
            f"{purpose} needs {package}, which is installed but cannot be imported: {reason(error)}",
            f"run `python -c 'import {top}'` to see why",
            ExitCode.MISSING,
        ) from error
