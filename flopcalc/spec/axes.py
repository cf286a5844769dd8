"""The sizes of operators on sequences and on volumes, as the two axes of a geometry and a depth."""

from typing import Any

from flopcalc.cost.geometry import SAME, Geometry, by
from flopcalc.errors import FlopcalcError

# The sizes of a window, which operators on volumes have for the depth too.
WINDOW = ("k", "stride", "padding", "dilation")


def along_width(operator: str, name: str, flat: int, size: Any) -> Any:
    """A size of a sequence as height and width. flat: the size along the height."""
    if size == SAME:
        return size
    if not isinstance(size, tuple | list) or len(size) != 2:
        return flat, size
    if size[0] != flat:
        rule = f"{operator} works along one axis"
        why = f"{name} is {by(tuple(size))}"
        hint = f"give {name} as one number, for example {size[1]}"
        raise FlopcalcError("bad-dimension", f"{why}, and {rule}", hint, reason=why, rule=rule)
    return flat, size[1]


def depth_of(operator: str, volume: bool, axes: int, sizes: dict[str, Any]) -> dict[str, Any]:
    """The window along the depth if a size has three numbers, of which `sizes` keeps (height, width); else nothing.

    Sizes that have no third number are along the depth as along the height. Raises FlopcalcError (bad-dimension) for
    three sizes of an operator without a depth.
    """
    three = [name for name, size in sizes.items() if isinstance(size, tuple | list) and len(size) == 3]
    for name in three:
        if name == "hw":
            hint = f"give the height and width, and the depth by the option: depth={sizes[name][0]}"
            why = f"hw is {by(tuple(sizes[name]))}, three sizes"
            raise FlopcalcError("bad-dimension", why, hint, rule="the depth of the input is an option")
        if not volume or name not in WINDOW:
            where = "along one axis" if axes == 1 else "on images"
            why = f"{name} is '{by(tuple(sizes[name]))}', three sizes, and {operator} works {where}"
            raise FlopcalcError("bad-dimension", why, "give one size; conv3d and depthwise3d take three")
    if not three:
        return {}
    depth: dict[str, Any] = {"k": 3}
    for name in WINDOW:
        if name in sizes:
            size = sizes[name]
            depth[name] = size[0] if isinstance(size, tuple | list) and size else size
    sizes.update({name: tuple(sizes[name][1:]) for name in three})
    return depth


def uneven_padding(operator: str, g: Geometry) -> FlopcalcError:
    """The error for padding `same` with an even kernel where a module pads both ends of an axis alike."""
    kernel = by(g.sizes("k"))
    why = f"padding same of a {kernel} kernel is not the same at both ends, and its module pads both alike"
    hint = "use an odd kernel, or give the padding as a number"
    return FlopcalcError("cannot-stand", f"{operator} does not apply here: {why}", hint, reason=why)
