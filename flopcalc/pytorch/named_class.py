"""Classes by their dotted names, as the records of primitives name them."""

from importlib import import_module
from typing import Any


def named_class(path: str) -> Any:
    """The class or function at a dotted name: `torch.nn.ReLU`."""
    module, _, name = path.rpartition(".")
    return getattr(import_module(module), name)
