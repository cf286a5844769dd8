"""Moments and last readers of the steps of a network."""

from flopcalc.networks.dataflow import Dataflow, Moment, Step, as_moments


def test_moments_are_the_highest_of_each_stretch() -> None:
    """A layer that goes on after another one has two stretches."""
    pairs = [("a", 1), ("a", 3), ("a", 2), ("b", 1), ("a", 0), ("a", 5)]
    assert as_moments(pairs) == (Moment("a", 3), Moment("b", 1), Moment("a", 5))


def test_last_readers_in_another_order() -> None:
    """The place of the last one in that order; of a tensor that no layer reads, that of its maker."""
    steps = (Step("a", (0,), (1,)), Step("b", (0,), (2,)), Step("c", (1, 2), (3,)))
    flow = Dataflow(steps, (4, 4, 4, 4), (0,), (3,))
    assert flow.last_reads([0, 1, 2]) == {0: 1, 1: 2, 2: 2, 3: 2}
    assert flow.last_reads([1, 0]) == {0: 1, 1: 1, 2: 0}
