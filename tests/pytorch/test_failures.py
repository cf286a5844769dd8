"""Which failures of a forward are taken for a lack that another pass makes up for."""

import pytest

pytest.importorskip("torch")

from flopcalc.pytorch.counting.failures import is_compiled_whole, lacks_operators

OPERATORS = "Couldn't load custom C++ ops. This can happen if your PyTorch and torchvision versions are incompatible"
COMPILED = "torch.compile with fullgraph=True found no compiled frames"


@pytest.mark.parametrize(
    ("error", "lacks", "compiled"),
    [
        (RuntimeError(OPERATORS), True, False),
        (RuntimeError(COMPILED), False, True),
        (RuntimeError("shapes"), False, False),
        (ValueError(OPERATORS), False, False),
        (ValueError(COMPILED), False, False),
    ],
    ids=str,
)
def test_by_class_and_message(error: Exception, lacks: bool, compiled: bool) -> None:
    """Torch and torchvision raise RuntimeError with these words; another class is the user's own."""
    assert lacks_operators(error) is lacks
    assert is_compiled_whole(error) is compiled
