"""Which failures of a forward on the meta device are taken for its asking for autocast there."""

import pytest

torch = pytest.importorskip("torch")

from flopcalc.pytorch.counting.autocast import asks_for_autocast


def test_those_of_torch() -> None:
    with pytest.raises(RuntimeError) as caught:
        torch.autocast("meta")
    assert asks_for_autocast(caught.value)


@pytest.mark.parametrize(
    "error", [RuntimeError("shapes"), ValueError("unsupported scalarType"), KeyError("meta")], ids=str
)
def test_others(error: Exception) -> None:
    assert not asks_for_autocast(error)
