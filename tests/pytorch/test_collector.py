"""The garbage collector is paused while the structure is counted, and goes on as before."""

import gc
import threading
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn

from flopcalc import FlopcalcError
from flopcalc.networks.collector import collects, paused
from flopcalc.pytorch import count


@pytest.fixture(autouse=True)
def _collector() -> Iterator[None]:
    before = gc.isenabled()
    yield
    (gc.enable if before else gc.disable)()


@pytest.mark.parametrize("enabled", [True, False])
def test_it_is_paused_and_goes_on(enabled: bool) -> None:
    (gc.enable if enabled else gc.disable)()
    found: list[bool] = []

    class Looks(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            found.append(gc.isenabled())
            return x + 1

    count(Looks(), (1, 3))
    assert found == [False]
    assert gc.isenabled() is enabled


def test_also_where_the_forward_fails_or_changes_it() -> None:
    class Fails(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            raise ValueError("no")

    class Disables(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            gc.disable()
            return x + 1

    gc.enable()
    with pytest.raises(FlopcalcError):
        count(Fails(), (1, 3))
    assert gc.isenabled()
    count(Disables(), (1, 3))
    assert gc.isenabled()


def test_real_values_are_collected() -> None:
    """The third pass needs memory, and values that are no longer used are freed."""
    found: list[bool] = []

    class Reads(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            if float(x.sum()) < -1e9:
                return x
            found.append(gc.isenabled())
            return x + 1

    gc.enable()
    assert count(Reads(), torch.ones(1, 3)).on == "cpu"
    assert found == [True]


def test_the_last_of_several_threads_lets_it_go_on() -> None:
    """One count begins before another, and ends before it: the collector is paused until the second one ends."""
    gc.enable()
    first, second = threading.Event(), threading.Event()

    def other() -> None:
        first.wait(10)
        with paused():
            second.set()
            done.wait(10)

    done = threading.Event()
    thread = threading.Thread(target=other)
    thread.start()
    with paused():
        first.set()
        second.wait(10)
        assert collects()
    assert not gc.isenabled()
    done.set()
    thread.join()
    assert gc.isenabled()
