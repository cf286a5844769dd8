"""A state of the process that several users need changed at once."""

from collections.abc import Callable
from contextlib import suppress

import pytest

from flopcalc.networks.shared_state import SharedState


def test_the_first_changes_it_and_the_last_puts_it_back() -> None:
    """Also where one of them fails, and as often as it is needed."""
    log: list[str] = []

    def change() -> Callable[[], None]:
        log.append("changed")
        return lambda: log.append("put back")

    state = SharedState(change)
    assert state.users == 0
    for times in (1, 2):
        before = ["changed", "put back"] * (times - 1)
        with state.changed():
            assert (state.users, log) == (1, [*before, "changed"])
            with suppress(ZeroDivisionError), state.changed():
                assert (state.users, log) == (2, [*before, "changed"])
                raise ZeroDivisionError
            with state.changed(), state.changed():
                assert (state.users, log) == (3, [*before, "changed"])
            assert (state.users, log) == (1, [*before, "changed"])
        assert (state.users, log) == (0, [*before, "changed", "put back"])


def test_a_change_that_fails() -> None:
    """There is nothing to put back, and the next user tries again."""

    def change() -> Callable[[], None]:
        raise ZeroDivisionError

    state = SharedState(change)
    for _ in range(2):
        with pytest.raises(ZeroDivisionError), state.changed():
            pass
        assert state.users == 0
