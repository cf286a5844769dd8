"""The window of a module: kernel, stride, padding, dilation and groups."""

from typing import Any

from torch import nn

from flopcalc.networks.window import Window

_CONVOLUTIONS: dict[type[nn.Module], int] = {
    nn.Conv1d: 1,
    nn.Conv2d: 2,
    nn.Conv3d: 3,
    nn.ConvTranspose1d: 1,
    nn.ConvTranspose2d: 2,
    nn.ConvTranspose3d: 3,
}
_POOLING: dict[type[nn.Module], int] = {
    nn.MaxPool1d: 1,
    nn.MaxPool2d: 2,
    nn.MaxPool3d: 3,
    nn.AvgPool1d: 1,
    nn.AvgPool2d: 2,
    nn.AvgPool3d: 3,
    nn.LPPool1d: 1,
    nn.LPPool2d: 2,
}


def window_of(module: nn.Module) -> Window | None:
    """The window of a convolution or pooling module, subclasses included; None for other modules."""
    read: Any = module
    if axes := _axes(module, _CONVOLUTIONS):
        kernel, dilation = read.kernel_size, read.dilation
        padding = _named_padding(read.padding, kernel, dilation) if isinstance(read.padding, str) else read.padding
        return Window(tuple(kernel), tuple(read.stride), padding and tuple(padding), tuple(dilation), read.groups)
    if axes := _axes(module, _POOLING):
        kernel = _sizes(read.kernel_size, axes)
        stride = kernel if read.stride is None else _sizes(read.stride, axes)
        padding, dilation = (getattr(read, name, least) for name, least in (("padding", 0), ("dilation", 1)))
        return Window(kernel, stride, _sizes(padding, axes), _sizes(dilation, axes))
    return None


def _axes(module: nn.Module, table: dict[type[nn.Module], int]) -> int:
    """The number of axes of a module of one of these classes, else 0. Lazy modules are subclasses too."""
    return next((axes for cls, axes in table.items() if isinstance(module, cls)), 0)


def _sizes(value: Any, axes: int) -> tuple[int, ...]:
    return (value,) * axes if isinstance(value, int) else tuple(value)


def _named_padding(name: str, kernel: Any, dilation: Any) -> tuple[int, ...] | None:
    """The padding "valid" or "same" as numbers; None where both ends of an axis differ."""
    if name == "valid":
        return (0,) * len(kernel)
    total = [step * (size - 1) for size, step in zip(kernel, dilation, strict=True)]
    return None if any(size % 2 for size in total) else tuple(size // 2 for size in total)
