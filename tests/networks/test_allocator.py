"""The blocks of PyTorch's caching allocator, by its rules."""

from flopcalc.networks.allocator import FREED, Allocator, steady_peak

K, M = 1 << 10, 1 << 20


def test_small_tensors_are_in_blocks_of_512_bytes() -> None:
    """Up to 1 MiB, in segments of 2 MiB: nothing more is given out; an empty tensor has no block."""
    found = Allocator()
    places = [found.allocate(size) for size in (1, 512, 513, M)]
    assert found.allocated == 512 + 512 + 1024 + M
    assert places == [0, 512, 1024, 2048]
    assert found.allocate(0) == -1
    found.free(-1)


def test_a_rest_of_at_most_one_mebibyte_stays_with_a_large_tensor() -> None:
    """Of a cached block; the rest of a new segment of 20 MiB is split off."""
    found = Allocator()
    place = found.allocate(5 * M)
    assert found.allocated == 5 * M
    found.free(place)
    # The whole segment is one block again, and 15 MiB of it are left.
    assert found.allocate(5 * M) == place
    assert found.allocate(14 * M + 512) == 5 * M
    assert found.allocated == 20 * M
    assert found.allocate(3 * M) == 20 * M


def test_large_tensors_have_segments_of_two_mebibytes_each() -> None:
    """From 10 MiB on; up to 1 MiB more than the tensor belongs to it."""
    found = Allocator()
    found.allocate(10 * M + 1)
    assert found.allocated == 10 * M + 512
    found.allocate(13 * M + K)
    assert found.allocated == 10 * M + 512 + 14 * M


def test_the_smallest_free_block_is_taken_and_neighbours_are_joined() -> None:
    """At the lowest address among equal ones."""
    found = Allocator()
    first, second, third, _ = (found.allocate(4 * M) for _ in range(4))
    found.free(first)
    found.free(third)
    assert found.allocate(4 * M) == first
    found.free(first)
    found.free(second)
    assert found.allocate(12 * M) == first
    assert found.peak == 16 * M


def test_a_steady_pass_has_the_blocks_of_the_pass_before() -> None:
    """The first pass makes a segment of 12 MiB; the next one takes all of it for a tensor of 11.5 MiB."""
    events = [(0, 12 * M), (0, FREED), (2, 23 * M // 2), (2, FREED)]
    assert steady_peak([3 * M], events) == 12 * M
    assert steady_peak([], [(0, 100), (1, 1000)]) == 512 + 1024
