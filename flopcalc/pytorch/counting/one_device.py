"""Code that names another device, such as a GPU that is not there, stays on the device where it runs."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor

from flopcalc.pytorch.counting.twins import is_meta, on_meta


class Moved(NamedTuple):
    """A function to run instead of another, and its arguments."""

    func: Any
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]


def on_one_device(func: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any], device: torch.device) -> Moved | None:
    """What runs instead of a function that would leave the device; None for a function that stays there."""
    if func in _MOVES:
        return Moved(_same, args[:1], {})
    if func is Tensor.type:
        return _typed(args, kwargs, device)
    if func == _SET_DATA:
        # Code may set a parameter to a tensor of NumPy, or to one that an old constructor made: those have values.
        to_meta = is_meta(args[0]) and isinstance(args[1], Tensor) and not is_meta(args[1])
        return Moved(func, (args[0], on_meta(args[1])), kwargs) if to_meta else None
    if func is Tensor.cpu and is_meta(args[0]):
        return Moved(_same, args[:1], {})
    named = kwargs.get("device")
    placed = _placed(named, device)
    if func is not Tensor.to or len(args) < 2:
        return Moved(func, args, {**kwargs, "device": placed}) if placed is not named else None
    rest = tuple(_placed(one, device) if _names_device(one) else one for one in args[1:])
    if is_meta(args[0]) and rest[0] in ("cpu", _CPU):
        # Without values there is nothing to bring to the CPU.
        rest = (device, *rest[1:])
    return Moved(func, (args[0], *rest), {**kwargs, "device": placed} if named is not None else kwargs)


def _typed(args: tuple[Any, ...], kwargs: Mapping[str, Any], device: torch.device) -> Moved | None:
    """A conversion to a type such as `torch.cuda.FloatTensor`, which names a device and a dtype; also as text."""
    named = args[1] if len(args) > 1 else kwargs.get("dtype")
    name = f"{named.__module__}.{named.__name__}" if isinstance(named, type) else named
    place, _, kind = name.rpartition(".") if isinstance(name, str) else ("", "", "")
    found = getattr(torch, kind, None) if place in _TYPES else None
    if not isinstance(dtype := getattr(found, "dtype", None), torch.dtype):
        return None
    stays = args[0].device if place == "torch" else device
    return Moved(Tensor.to, (args[0], stays, dtype), {})


def _placed(named: Any, device: torch.device) -> Any:
    """The device that is named, where code may go there, and else the one to stay on."""
    where = torch.device(named) if isinstance(named, str) else named
    stays = where is None or (isinstance(where, torch.device) and where.type in {"cpu", "meta"})
    return named if stays else device


def _names_device(value: object) -> bool:
    # A GPU may be named by its number; a truth value is another argument of `to`.
    return isinstance(value, str | torch.device) or type(value) is int


def _same(tensor: Tensor) -> Tensor:
    return tensor


_CPU = torch.device("cpu")
_MOVES = {Tensor.cuda, Tensor.xpu}
_SET_DATA = Tensor.data.__set__  # type: ignore[attr-defined]
# Where the types of tensors are.
_TYPES = {"torch", "torch.cuda", "torch.meta"}
