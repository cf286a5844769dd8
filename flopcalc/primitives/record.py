"""What a primitive is: a record of its cost, its PyTorch module and its row in the documentation."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from flopcalc.primitives.shapes import Result, Shape

Settings = Mapping[str, Any]


def same_settings(shapes: Sequence[Shape], settings: Settings) -> Settings:
    """The arguments of a module whose keywords are the settings of the primitive."""
    return settings


def no_settings(shapes: Sequence[Shape], settings: Settings) -> Settings:
    """The arguments of a module that takes none."""
    return {}


def always(module: Any) -> bool:
    """True for every module of a class."""
    return True


class Primitive(NamedTuple):
    """A layer of a network that is not an operator. To add one, add a record to a file of this folder.

    text: the description in the documentation. shape_and_parts: (shapes of the inputs, batch, **settings) ->
    (shape of the output, parts); its keywords and defaults are the settings of the primitive.
    module: dotted name of the nn.Module class that does it, or of a function that makes the module; a text, so
    that torch is not loaded. arguments: (shapes of the inputs, all settings) -> keywords of that class.
    has_tensors: whether the class also takes device and dtype. counted: dotted names of more classes that a
    counted model reports under this name, where counted_if accepts the module. sized_by_second: only the size of its
    second input is read, so that input gets no gradient from it.
    """

    name: str
    text: str
    shape_and_parts: Callable[..., Result]
    module: str
    arguments: Callable[[Sequence[Shape], Settings], Settings] = same_settings
    has_tensors: bool = False
    counted: tuple[str, ...] = ()
    counted_if: Callable[[Any], bool] = always
    sized_by_second: bool = False

    @property
    def settings(self) -> dict[str, Any]:
        """Names of the settings, with their defaults."""
        code = self.shape_and_parts.__code__
        return dict(zip(code.co_varnames[2 : code.co_argcount], self.shape_and_parts.__defaults__ or (), strict=True))
