"""Classes by their dotted names, as the records of primitives name them."""

from importlib import import_module
from typing import Any


def named_class(path: str) -> Any:
    """The class or function at a dotted name: `torch.nn.ReLU`."""
    module, _, name = path.rpartition(".")
    return getattr(import_module(module), name)


def file_of(kind: type) -> str:
    """The name of the Python module in which a class was written; "" for a class made at run time without one."""
    name = getattr(kind, "__module__", None)
    return name if isinstance(name, str) else ""
