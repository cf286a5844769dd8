"""The arguments of a kernel by name: as given, else the default of the operator's schema, else that of the rule."""

from typing import Any

import pytest

torch = pytest.importorskip("torch")

from flopcalc.pytorch.counting.kernels.work import Kernel

X = torch.empty(2, 2)
ADDMM, NORM = torch.ops.aten.addmm.default, torch.ops.aten.native_layer_norm.default


@pytest.mark.parametrize(
    ("func", "args", "kwargs", "name", "found"),
    [
        # addmm(self, mat1, mat2, *, beta=1, alpha=1)
        (ADDMM, (X, X, X), {"beta": 0}, "beta", 0),
        (ADDMM, (X, X, X), {}, "beta", 1),
        (ADDMM, (X, X, X), {}, "nothing", "default"),
        # native_layer_norm(input, normalized_shape, weight, bias, eps): no defaults, and None is an argument too.
        (NORM, (X, [2], None, None, 1e-5), {}, "weight", None),
        (NORM, (X, [2], None, None, 1e-5), {}, "eps", 1e-5),
        # sum.dim_IntList(self, dim, keepdim=False, *, dtype=None)
        (torch.ops.aten.sum.dim_IntList, (X, [0]), {}, "keepdim", False),
        (torch.ops.aten.sum.dim_IntList, (X, [0]), {}, "dtype", "default"),
    ],
)
def test_by_name(func: Any, args: Any, kwargs: Any, name: str, found: object) -> None:
    """A default of None in the schema gives way to that of the rule."""
    assert Kernel(func, args, kwargs, X, 0).argument(name, "default") == found
