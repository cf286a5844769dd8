"""Which failures of a forward are taken for a lack that another pass makes up for."""

import pytest

pytest.importorskip("torch")

from flopcalc.pytorch.counting.failures import is_compiled_whole, lacks_operators
from flopcalc.pytorch.counting.passes import Pass

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


GRADIENTS = "element 0 of tensors does not require grad and does not have a grad_fn"
AUTOCAST = "User specified an unsupported autocast device_type 'meta'"


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (GRADIENTS, Pass("meta", gradients=True)),
        (OPERATORS, Pass("meta", operators=True)),
        (COMPILED, Pass("meta", compiled=True)),
        (AUTOCAST, Pass("meta", autocast=True)),
    ],
)
def test_the_next_pass_has_what_the_forward_lacked(words: str, expected: Pass) -> None:
    """And only that; where it had it already, the error is the forward's own."""
    error, first = RuntimeError(words), Pass("meta")
    second = first.after(error)
    assert second == expected
    assert second.after(error) is None
    assert first.after(ValueError(words)) is None
