"""The outputs of heads that only help the training."""

from collections.abc import Iterator, Mapping
from typing import Any

from torch import Tensor

from flopcalc.pytorch.counting.kernels import tensors

_AUXILIARY = "aux"


def auxiliary(out: Any) -> Iterator[Tensor]:
    """The outputs that get no loss, by their names, as torchvision's models call them."""
    fields = out.items() if isinstance(out, Mapping) else out._asdict().items() if hasattr(out, "_asdict") else ()
    for name, value in fields:
        if str(name).startswith(_AUXILIARY):
            yield from tensors(value)
