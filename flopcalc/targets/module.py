"""Real modules from Python: `flopcalc.count` and `flopcalc.replace`. PyTorch is loaded when they are called."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import nn

    from flopcalc.pytorch import Count, Replaced


def count(module: "nn.Module", *inputs: Any, **named_inputs: Any) -> "Count":
    """Count what one forward pass of a PyTorch module costs, kernel by kernel. Nothing is computed.

    inputs: what the forward takes, by position or by name. A tuple of ints is a shape, batch first, of the module's
    own floating-point type: `count(model, (1, 3, 224, 224))`. Of tensors only shape and dtype are used.
    The result offers every kind of cost, as `found.macs` or `found.total("macs")`, each by module as `found.work`,
    and lists in `found.uncounted` what could not be counted. The module stays as it was.

    Raises FlopcalcError: missing-package without PyTorch, uncountable-module where the forward fails.
    """
    from flopcalc.pytorch import count as counted

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
    """Replace the convolutions of a PyTorch module by operators: `replace(model, "spconv:alpha=1/4")`.

    what: an operator with its options and perhaps a clause (`"ghost where k == 1"`), or several; the first one that
    takes a layer wins. where, keep: as `flopcalc model --where --keep`. inputs: what the forward takes, as for
    `count`; with them all sizes are known, and the changed module is run to check that every new layer is called
    and that the shape of the output stays. The module is copied unless inplace is true.

    The result has the module, which layers were replaced by what, and why each other convolution was not.
    Raises FlopcalcError: missing-package without PyTorch, and errors that name what is wrong with the request.
    """
    from flopcalc.pytorch import replace as replaced

    return replaced(module, what, where=where, keep=keep, inputs=inputs, inplace=inplace)
