"""The section `kernels` of the file of targets: rules for a user's own kernels, which every Python model gets."""

from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any

from flopcalc.errors import FlopcalcError, clip

if TYPE_CHECKING:
    from flopcalc.catalog.kernels import KernelRule
    from flopcalc.text.yaml_file import File

SECTION = "kernels"


def read_rules(file: "File", data: Mapping[str, Any]) -> "tuple[KernelRule, ...]":
    """The rules of a file. Raises FlopcalcError (bad-config), with the line of the kernel or of the key in its rule."""
    if SECTION not in data:
        return ()
    given = data[SECTION]
    if not isinstance(given, dict):
        why = f"kernels is {clip(given)}, not a mapping of kernels to their rules"
        raise file.error(data, SECTION, why, "write one line for each kernel, such as mylib::scan: x_0 * x_1")
    rules = import_module("flopcalc.catalog.kernels").read_kernel_rules
    for name in given:
        try:
            rules({name: given[name]})
        except FlopcalcError as error:
            line = _line(file, given, name, error)
            raise file.at(line, f"kernels: {error.message}", error.hint) from None
    try:
        found: tuple[KernelRule, ...] = rules(given)
    except FlopcalcError as error:
        raise file.error(data, SECTION, f"kernels: {error.message}", error.hint) from None
    return found


def _line(file: "File", given: Mapping[str, Any], name: str, error: FlopcalcError) -> int:
    """The line of the key that an error names, or that of the kernel."""
    rule = given[name]
    for key in rule if isinstance(rule, dict) else ():
        if hasattr(rule, "lines") and str(key) in error.message.replace(str(name), ""):
            return file.line(rule, key)
    return file.line(given, name)
