"""Why there is no closed form, in the words of a user."""

from typing import Any

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("sympy")

from flopcalc import FlopcalcError, formula


class Products(torch.nn.Module):  # type: ignore[misc, name-defined]
    """A kernel that has no rule on symbols."""

    def forward(self, x: Any) -> Any:
        return torch.renorm(x.mT @ x, 2, 0, 1.0)


def test_no_class_of_ours_is_named() -> None:
    """It said: the forward pass of Products failed: NoFormError: ..."""
    with pytest.raises(FlopcalcError) as caught:
        formula(Products, input=(4, 4), vary="batch")
    assert caught.value.message.startswith("there is no closed form: aten::renorm needs its sizes as numbers (test_")
