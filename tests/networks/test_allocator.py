"""The blocks of PyTorch's caching allocator, by its rules."""

from flopcalc.networks.allocator import FREED, Allocator, steady_peak

K, M = 1 << 10, 1 << 20


def test_small_tensors_are_in_blocks_of_512_bytes() -> None:
    """Up to 1 MiB, in segments of 2 MiB: nothing more is given out; an empty tensor has no block."""
    found = Allocator()
    places = [found.allocate(size) for size in (1, 512, 513, M)]
    assert found.allocated == 512 + 512 + 1024 + M
    assert len(set(places)) == 4
    assert found.allocate(0) == 0
    found.free(0)
    for place in places:
        found.free(place)
    assert found.allocated == 0
    # Nor is one of them part of a block for a large tensor: that has a segment of 20 MiB, of which it takes 2 MiB.
    found.allocate(2 * M)
    assert found.allocated == 2 * M


def test_blocks_for_small_tensors_end_at_one_mebibyte() -> None:
    """A tensor of 1 MiB leaves the cached 2 MiB of a larger one alone, which takes all of them."""
    found = Allocator()
    # All 20 MiB of a segment, but for 2 MiB.
    first, _ = found.allocate(2 * M), found.allocate(18 * M)
    found.free(first)
    assert found.allocate(M) != first
    assert found.allocate(M + 1) == first
    assert found.allocated == 18 * M + M + 2 * M


def test_a_rest_of_at_most_one_mebibyte_stays_with_a_large_tensor() -> None:
    """Of a cached block; the rest of a new segment of 20 MiB is split off."""
    found = Allocator()
    place = found.allocate(5 * M)
    assert found.allocated == 5 * M
    found.free(place)
    # The whole segment is one block again, and 15 MiB of it are left.
    assert found.allocate(5 * M) == place
    assert found.allocate(14 * M + 512) == place + 5 * M
    assert found.allocated == 20 * M
    assert not place <= found.allocate(3 * M) < place + 20 * M


def test_a_rest_of_exactly_one_mebibyte_stays() -> None:
    """512 bytes more are split off. Both in a segment of 12 MiB."""
    found = Allocator()
    found.allocate(11 * M)
    assert found.allocated == 12 * M
    found.allocate(11 * M - 512)
    assert found.allocated == 12 * M + 11 * M - 512


def test_large_tensors_have_segments_of_two_mebibytes_each() -> None:
    """From 10 MiB on; up to 1 MiB more than the tensor belongs to it."""
    found = Allocator()
    found.free(found.allocate(10 * M))
    # The rest of its own segment, 0.5 MiB, stays with this one; of 20 MiB it would be split off.
    place = found.allocate(19 * M // 2)
    assert found.allocated == 10 * M
    found.free(place)

    found = Allocator()
    found.allocate(10 * M + 1)
    assert found.allocated == 10 * M + 512
    found.allocate(13 * M + K)
    assert found.allocated == 10 * M + 512 + 14 * M


def test_the_smallest_free_block_is_taken_and_neighbours_are_joined() -> None:
    """At the lowest address among equal ones."""
    found = Allocator()
    first, second, third, fourth = (found.allocate(4 * M) for _ in range(4))
    found.free(first)
    found.free(third)
    assert found.allocate(4 * M) == first
    found.free(first)
    found.free(second)
    assert found.allocate(12 * M) == first
    assert found.peak == 16 * M
    # The last 4 MiB of the segment are free too; with those before them it is whole, and no more.
    found.free(first)
    found.free(fourth)
    assert found.allocate(20 * M) == first
    assert found.allocated == 20 * M


def test_blocks_of_two_segments_are_not_joined() -> None:
    """Two segments of 12 MiB have no room for 24 MiB, whatever their addresses: the next is one of 24 MiB."""
    found = Allocator()
    places = [found.allocate(12 * M) for _ in range(2)]
    for place in places:
        found.free(place)
    whole = found.allocate(24 * M)
    assert whole not in places
    assert [found.allocate(12 * M) for _ in range(2)] == places


def test_a_steady_pass_has_the_blocks_of_the_pass_before() -> None:
    """The first pass makes a segment of 12 MiB; the next one takes all of it for a tensor of 11.5 MiB."""
    events = [(0, 12 * M), (0, FREED), (2, 23 * M // 2), (2, FREED)]
    assert steady_peak([3 * M], events) == 12 * M
    assert steady_peak([], [(0, 100), (1, 1000)]) == 512 + 1024
    # Tensors of one and of two bytes, which are not what says that one is freed.
    assert steady_peak([], [(0, 1), (1, 2), (0, FREED), (2, 1)]) == 2 * 512


def test_weights_leave_a_cache_for_the_passes() -> None:
    """Weights of 5 MiB leave 15 MiB of their segment, which a tensor of 14.5 MiB takes; its own has 16 MiB."""
    events = [(0, 29 * M // 2)]
    assert steady_peak([], events) == 29 * M // 2
    assert steady_peak([5 * M], events) == 15 * M


def test_the_third_pass_counts() -> None:
    """Tensors of 9, 9.5 and 15 MiB, all there at the end of a pass. In the

    first, 9 and 9.5 are in a segment of 20 MiB, and 15 takes one of 16: 34.5 MiB.
    second, 9 is in the 16 MiB and 9.5 in the 20, where they fit best, so that 15 takes another one of 16: 34.5 MiB.
    third, each segment of 16 MiB has one, and 15 is split off the 20: 33.5 MiB, as in all later ones.
    """
    sizes = [9 * M, 19 * M // 2, 15 * M]
    assert steady_peak([], list(enumerate(sizes))) == sum(sizes)
    # Tensors of 4.5, 10.5 and 11 MiB, then 13 for the 10.5. From the second pass on there are segments of 20, 12 and 12
    # MiB. In the third, 11 is in the 20 and the others fill both of 12, so that 13 takes one of 14: 29.5 MiB. The
    # fourth would have 11 in the 14, and 13 in the 20.
    events = [(0, 9 * M // 2), (1, 21 * M // 2), (2, 11 * M), (1, FREED), (3, 13 * M)]
    assert steady_peak([], events) == 59 * M // 2
