"""Caches in the code of a model, which its forward fills, keep nothing of a counted pass."""

from collections import deque
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from helpers import import_torchvision
from pytorch import remembering
from torch import Tensor, nn

from flopcalc.pytorch.counting.caches import remembered
from flopcalc.pytorch.counting.counter import count_call


class _Scaled(nn.Linear):
    """By a function that it holds, or by one that its code names."""

    def __init__(self, ones: Callable[[Tensor], Tensor] | None) -> None:
        super().__init__(8, 4)
        self.ones = ones

    def forward(self, x: Tensor) -> Tensor:
        scale = self.ones(x) if self.ones else remembering.in_dict(x) * remembering.in_closure(x)
        return super().forward(x * scale)


@pytest.mark.parametrize("ones", [*remembering.ALL, None], ids=lambda one: one.__name__ if one else "by name")
def test_the_next_forward_runs(ones: Callable[[Tensor], Tensor] | None) -> None:
    """A tensor without values in a cache would make it raise."""
    module, x = _Scaled(ones), torch.rand(2, 8)
    assert count_call(module, (x,)).macs == 2 * 8 * 4
    right = nn.functional.linear(x, module.weight, module.bias)
    assert torch.equal(module(x), right)
    # What the forward itself has put into its caches stays there.
    assert count_call(module, (x,), on="meta").macs == 2 * 8 * 4
    assert torch.equal(module(x), right)


def test_only_the_nearest_code_is_searched() -> None:
    """A large package leads from one model to all others: a count would take longer for it than for the model."""
    import_torchvision()
    transformers = pytest.importorskip("transformers")
    config = transformers.BertConfig(num_hidden_layers=1, hidden_size=8, num_attention_heads=1, intermediate_size=8)
    memory = remembered(transformers.BertModel(config).modules())
    assert len(memory.namespaces) + len(memory.containers) < 2_000


elsewhere: Any = ModuleType("elsewhere")
elsewhere.last, elsewhere.known = None, {}


class _Elsewhere(nn.Linear):
    """In an attribute of another file, and in a dict there, which are empty before the first forward."""

    def forward(self, x: Tensor) -> Tensor:
        if elsewhere.last is None:
            elsewhere.last = elsewhere.known["ones"] = torch.ones_like(x)
        return super().forward(x * elsewhere.last * elsewhere.known["ones"])


def test_an_attribute_of_another_file() -> None:
    """They are as empty after the count as before."""
    assert count_call(_Elsewhere(8, 4), (torch.rand(2, 8),)).macs == 2 * 8 * 4
    assert elsewhere.last is None
    assert not elsewhere.known


LIST: list[Any] = []
SET: set[Any] = set()
QUEUE: deque[Any] = deque()


class _Collects(nn.Linear):
    """Keeps what it gets, at the end and at the start, and numbers, which have no device."""

    def forward(self, x: Tensor) -> Tensor:
        for container in (LIST, QUEUE):
            container.append(x)
            container.insert(0, [x])
            container.append(len(container))
        SET.update((x, len(LIST)))
        return super().forward(x)


def test_lists_sets_and_queues() -> None:
    """They have what an earlier forward put there, in its order, and of the count what has values."""
    module, x = _Collects(8, 4), torch.rand(2, 8)
    module(x)
    assert count_call(module, (x,), on="meta").macs == 2 * 8 * 4
    for container in (LIST, QUEUE):
        assert [type(one) for one in container] == [list, Tensor, int, int]
        assert container[1] is container[0][0] is x
        assert list(container)[2:] == [2, 5]
    assert x in SET
    assert {one for one in SET if not isinstance(one, Tensor)} == {3, 6}
    assert len(SET) == 3
