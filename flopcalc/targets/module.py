"""`flopcalc.count` and `flopcalc.replace` for PyTorch modules. PyTorch is imported when they are called."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import nn

    from flopcalc.pytorch import Count, Replaced


def count(module: "nn.Module", *inputs: Any, **named_inputs: Any) -> "Count":
    """Count the cost of one forward pass of a PyTorch module, kernel by kernel, without computing any tensor.

    inputs: the arguments of the forward, by position or by name. A tuple of ints is a shape, batch first, with the
    floating-point type of the module: `count(model, (1, 3, 224, 224))`. Of tensors only shape and dtype are used.
    The result has every kind of cost, as `found.macs` or `found.total("macs")`, and by module in `found.work`.
    `found.uncounted` lists the kernels that could not be counted. The module is not changed.

    Raises FlopcalcError: missing-package without PyTorch, uncountable-module if the forward fails.
    """
    from flopcalc.networks.progress_bar import Words, following
    from flopcalc.pytorch import count as counted

    with following(Words(type(module).__name__)):
        return counted(module, *inputs, **named_inputs)


def replace(
    module: "nn.Module",
    what: str | Sequence[str],
    *,
    where: str | None = None,
    keep: str | Iterable[str] = (),
    inputs: Any = None,
    inplace: bool = False,
) -> "Replaced":
    """Replace the convolutions of a PyTorch module with operators: `replace(model, "spconv:alpha=1/4")`.

    what: an operator with its options and an optional clause (`"ghost where k == 1"`), or several; if several match a
    layer, the first one wins. where, keep: as in `flopcalc model --where --keep`. inputs: the arguments of the
    forward, as for `count`. With inputs all sizes are known, and the changed module is run to check that every new
    layer is called and that the output keeps its shape. The module is copied unless inplace is true.

    The result has the module, the layers that were replaced, and the reason for each other convolution.
    Raises FlopcalcError: missing-package without PyTorch, other codes if the request is invalid.
    """
    from flopcalc.networks.progress_bar import Words, following
    from flopcalc.pytorch import replace as replaced
    from flopcalc.targets.spec import as_flag

    inplace = as_flag(inplace, "inplace")
    with following(Words(type(module).__name__, start="replacing in")):
        return replaced(module, what, where=where, keep=keep, inputs=inputs, inplace=inplace)
