"""The pause of the garbage collector, and what is set during and after it."""

import gc
from collections.abc import Iterator

import pytest

from flopcalc.networks.collector import collects, paused, set_collects


@pytest.fixture(autouse=True)
def _collector() -> Iterator[None]:
    before = gc.isenabled()
    yield
    (gc.enable if before else gc.disable)()


@pytest.mark.parametrize("before", [True, False])
@pytest.mark.parametrize("wanted", [True, False])
def test_it_is_as_set_after_the_pause(before: bool, wanted: bool) -> None:
    """Else as before; paused it stays off."""
    set_collects(before)
    assert (gc.isenabled(), collects()) == (before, before)
    with paused():
        assert (gc.isenabled(), collects()) == (False, before)
    assert (gc.isenabled(), collects()) == (before, before)
    with paused():
        set_collects(wanted)
        assert (gc.isenabled(), collects()) == (False, wanted)
    assert (gc.isenabled(), collects()) == (wanted, wanted)
