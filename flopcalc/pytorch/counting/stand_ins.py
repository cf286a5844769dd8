"""What takes the place of objects that a structural copy does not copy as they are."""

from typing import Any

from torch import nn

from flopcalc.errors import FlopcalcError

# Wrappers of torch that run the module that they hold somewhere else: on several devices, or compiled.
WRAPPERS = {"OptimizedModule": "_orig_mod", "DataParallel": "module", "DistributedDataParallel": "module"}


class Wrapper(nn.Module):
    """Runs the one module that it holds."""

    inner: str

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """The module inside, called."""
        return self._modules[self.inner](*args, **kwargs)  # type: ignore[misc]

    def __getattr__(self, name: str) -> Any:
        modules = self.__dict__["_modules"]
        return modules[name] if name in modules else getattr(modules[self.__dict__["inner"]], name)


class Unavailable:
    """Takes the place of an iterator, which a forward would use up; the error comes only when it is used."""

    def __init__(self, error: FlopcalcError) -> None:
        self._error = error

    def __iter__(self) -> Any:
        return self

    def __next__(self) -> Any:
        raise self._error
