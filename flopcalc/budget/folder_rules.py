"""Rules for a user's own kernels, from the file of targets in a folder: for commands and tests that name a target."""

from importlib import import_module

from flopcalc.budget.default_file import default_file, mentions
from flopcalc.targets.read import is_python
from flopcalc.targets.spec import TargetSpec


def with_folder_rules(spec: TargetSpec, folder: str = "") -> TargetSpec:
    """The target with the rules of the file of targets in a folder, if there is one and the target is a Python model.

    Only that section is read: mistakes elsewhere in the file do not matter here. Raises FlopcalcError.
    """
    if spec.kind != "network" or (isinstance(spec.what, str) and not is_python(spec.what)):
        return spec
    path = default_file(folder)
    if path is None or not mentions(path, b"kernels"):
        return spec
    # Loads the parser of the file.
    return spec._replace(kernels=import_module("flopcalc.budget.config").kernel_rules(path))
