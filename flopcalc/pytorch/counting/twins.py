"""The tensors of a copy: without values on the meta device, or real ones on the CPU."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from flopcalc.errors import FlopcalcError
from flopcalc.pytorch.counting.contents import buffers_of, parameters_of

Twin = Callable[[Tensor], Tensor]

# The classes of tensors without functions or kernels of their own.
TENSORS = frozenset({Tensor, nn.Parameter})


def is_meta(tensor: Tensor) -> bool:
    """Whether a tensor has no values."""
    return tensor.device.type == "meta"


def on_meta(tensor: Tensor) -> Tensor:
    """A tensor of the same shape, strides and dtype without values."""
    if tensor.layout is torch.strided and not tensor.is_nested:
        if is_meta(tensor) or not (tensor.is_contiguous() or tensor.is_quantized):
            # Not empty_like, which imports SymPy for a tensor on meta, and writes an expanded tensor out.
            return torch.empty_strided(tensor.shape, tensor.stride(), dtype=tensor.dtype, device="meta")
        return torch.empty_like(tensor, device="meta", requires_grad=False)
    return tensor.detach().to("meta")


def on_cpu(generator: torch.Generator) -> Twin:
    """How to make a tensor with values: those of the original, or random ones of its type where it has none."""

    def made(tensor: Tensor) -> Tensor:
        if is_meta(tensor):
            return small_values(tensor, generator)
        return real_copy(tensor)

    return made


def real_copy(tensor: Tensor) -> Tensor:
    """A copy on the CPU with the same values and, where they do not overlap in part, the same strides."""
    plain = tensor.detach()
    strided = plain.layout is torch.strided and not (plain.is_nested or plain.is_quantized)
    if strided and plain.numel() and any(_expanded(plain)):
        # Such an axis holds one element, also in the copy.
        once = tuple(slice(1) if repeated else slice(None) for repeated in _expanded(plain))
        return real_copy(plain[once]).expand(plain.shape)
    made = _dense(plain)
    if strided and made.stride() != plain.stride():
        # Every other column, for example: a forward that asks for contiguous values copies it.
        with suppress(RuntimeError):
            return torch.empty_strided(plain.shape, plain.stride(), dtype=plain.dtype).copy_(plain)
    return made


def _expanded(tensor: Tensor) -> list[bool]:
    return [size > 1 and step == 0 for size, step in zip(tensor.shape, tensor.stride(), strict=True)]


def _dense(tensor: Tensor) -> Tensor:
    return tensor.clone() if tensor.device.type == "cpu" else tensor.to("cpu")


def small_values(tensor: Tensor, generator: torch.Generator) -> Tensor:
    """Values for a parameter or buffer: small, true, and 0 as an index."""
    made = torch.zeros_like(tensor, device="cpu", requires_grad=False)
    if tensor.dtype is torch.bool:
        return made.fill_(True)
    if made.is_floating_point() or made.is_complex():
        # Types that only hold values, such as float8, have no random ones: zeros are values too.
        with suppress(NotImplementedError, RuntimeError):
            made.normal_(0, 0.02, generator=generator)
    return made


def input_values(tensor: Tensor, generator: torch.Generator) -> Tensor:
    """Values for an input: from 0 to 1, true, and 1 for integers, which is a valid index, a mask and a length."""
    made = torch.ones_like(tensor, device="cpu", requires_grad=False)
    if made.is_floating_point():
        with suppress(NotImplementedError, RuntimeError):
            made.uniform_(generator=generator)
    return made


def tensor_twin(tensor: Tensor, plain: Twin, *, gradients: bool, inner: Twin | None = None) -> Tensor:
    """A tensor of the same class. plain: how to make a tensor of torch's own; inner: one that another is made of."""
    kind = type(tensor)
    if kind is nn.Parameter:
        return nn.Parameter(plain(tensor), gradients and tensor.requires_grad)
    made: Any
    if kind is Tensor:
        made = plain(tensor)
    elif nn.parameter.is_lazy(tensor):
        lazy: Any = kind
        made = lazy(device=plain(torch.empty(0)).device, dtype=tensor.dtype)
        return made  # type: ignore[no-any-return]
    elif kind.__name__ == "FakeTensor":
        # Without values as well, but it insists on a mode of its own.
        made = torch.empty_strided(tuple(map(int, tensor.shape)), tensor.stride(), dtype=tensor.dtype, device="meta")
        made = plain(made)
    elif hasattr(tensor, "__tensor_flatten__"):
        # A class that keeps its values in other tensors.
        if tensor.is_nested and plain is on_meta:
            raise NotImplementedError("the sizes of a nested tensor are values, which the meta device does not have")
        names, context = tensor.__tensor_flatten__()
        twin = inner or (lambda one: tensor_twin(one, plain, gradients=False))
        inner_tensors = {name: twin(getattr(tensor, name)) for name in names}
        unflatten: Any = kind.__tensor_unflatten__  # type: ignore[attr-defined]
        made = unflatten(inner_tensors, context, tensor.size(), tensor.stride())
    else:
        made = Tensor._make_subclass(kind, plain(tensor.as_subclass(Tensor)))
    if isinstance(tensor, nn.Parameter) and not isinstance(made, nn.Parameter):
        if type(made) is Tensor:
            made = nn.Parameter(made, gradients and tensor.requires_grad)
        else:
            # How torch marks a parameter of a class of its own.
            made._is_param = True
            made.requires_grad_(gradients and tensor.requires_grad)
    elif gradients and tensor.requires_grad:
        made.requires_grad_()
        if not tensor.is_leaf:
            # A result of other tensors, which a forward may change in place.
            with torch.enable_grad():
                made = made.clone()
    return made  # type: ignore[no-any-return]


def has_no_values(module: nn.Module) -> bool:
    """Whether some of a module's tensors are on the meta device."""
    return any(is_meta(tensor) for tensor in _tensors(module))


def bytes_of(module: nn.Module) -> int:
    """The size of a module's parameters and buffers."""
    return sum({id(t): t.numel() * t.element_size() for t in _tensors(module)}.values())


def _tensors(module: nn.Module) -> Sequence[Tensor]:
    found = (*parameters_of(module), *buffers_of(module))
    return [tensor for tensor in found if not nn.parameter.is_lazy(tensor)]


def with_values(
    module: nn.Module, rebuild: Callable[[], nn.Module] | None, verb: str, *, copied: bool = True
) -> nn.Module:
    """The module for a pass on real values, built again where it has none. Raises FlopcalcError (too-large).

    copied: whether the caller also copies a module that was built again.
    """
    again = rebuild if has_no_values(module) else None
    check_fits(bytes_of(module), verb, times=2 if again and copied else 1)
    return module if again is None else again()


def check_fits(needed: int, verb: str, times: int = 1) -> None:
    """Raise FlopcalcError (too-large) where parameters do not fit into memory.

    needed: bytes of the parameters; verb: of the hint; times: how often they are there.
    """
    free, needed = free_memory(), needed * times
    if free is not None and needed > free:
        often = ", once built and once copied," if times > 1 else ""
        what = f"its parameters{often} take {needed / 2**30:.1f} GiB, and {free / 2**30:.1f} GiB of memory are free"
        raise FlopcalcError("too-large", what, f"{verb} a smaller model of the same kind")


def free_memory() -> int | None:
    """The bytes of memory that a program may still take, where the system says so."""
    sizes = []
    try:
        for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
            if line.startswith("MemAvailable:"):
                sizes.append(int(line.split()[1]) * 1024)
        limit = Path("/sys/fs/cgroup/memory.max").read_text(encoding="ascii").strip()
        if limit != "max":
            sizes.append(int(limit) - int(Path("/sys/fs/cgroup/memory.current").read_text(encoding="ascii")))
    except (OSError, ValueError):
        pass
    return min(sizes, default=None)
