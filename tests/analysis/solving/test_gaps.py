"""Values at which an operator does not exist: gaps between the others, and a single value that does."""

from fractions import Fraction
from typing import Any

import pytest

from flopcalc import FlopcalcError, layer, solve
from flopcalc.targets.limits import read_limit


def _macs(name: str, **sizes: Any) -> int | None:
    try:
        return layer(name, **sizes).macs
    except FlopcalcError:
        return None


def test_no_largest_kernel_where_even_ones_do_not_exist() -> None:
    """Three, doubled, is even, and SPConv has no even kernel at this shape. 49, 51, ... meet the target, too."""
    shape: dict[str, Any] = {"c_in": 64, "c_out": 16, "hw": 14}
    # 64 * 16 * (k^2 / 4 + 1) parameters.
    assert layer("spconv", k=49, **shape).params == 64 * 16 * (49 * 49 + 4) // 4 > 247_040
    found = solve("spconv", "k", "params > 247040", pick="largest", **shape)
    assert found.value is None
    assert "there is no largest value" in str(found.why_not)
    assert solve("spconv", "k", "params > 247040", **shape).value == "33"


def test_no_largest_map_where_only_multiples_exist() -> None:
    found = solve("spatial_bottleneck", "hw", "macs >= 425089", pick="largest", c_in=64)
    assert found.value is None
    assert "there is no largest value" in str(found.why_not)


@pytest.mark.parametrize(("channels", "bound"), [(48, "macs >= 1"), (1001, "macs <= 1e9"), (100, "activations >= 1")])
def test_groups_up_to_the_number_of_channels(channels: int, bound: str) -> None:
    """All divisors are looked at, however far they are from each other."""
    found = solve("conv", "groups", bound, c_in=channels, pick="largest")
    assert (found.value, found.exact, found.next) == (str(channels), True, None)
    divisors = [one for one in range(1, channels + 1) if channels % one == 0]
    fewest = _macs("conv", c_in=channels, groups=divisors[1])
    assert solve("conv", "groups", f"macs <= {fewest}", c_in=channels).value == str(divisors[1])


@pytest.mark.parametrize("name", ["se", "sic", "pconv", "involution"])
@pytest.mark.parametrize("channels", [16, 112, 1008])
def test_the_only_number_of_channels_is_found(name: str, channels: int) -> None:
    """As many inputs as outputs: far from the value at which the search starts, and from its doubles."""
    found = solve(name, "cin", "macs >= 1", c_out=channels, hw=12)
    assert found.value == str(channels)
    assert found.cost is not None
    assert found.cost["macs"] == _macs(name, c_in=channels, hw=12)
    # A number of channels that is larger than all that were computed may exist.
    largest = solve(name, "cin", "macs >= 1", c_out=channels, hw=12, pick="largest")
    assert (largest.value, largest.exact) == (str(channels), False)
    assert "does not exist" in largest.method
    assert largest.next is not None
    assert largest.next["value"] == str(channels + 1)


def test_listed_values_without_effect() -> None:
    """The answer is one of the values that exist, also where the last one of the list does not."""
    for listed, last in (("1:127:1", "126"), ("2:126:2", "126"), ("1:3", "2")):
        found = solve("octconv", "hw", "params < 28801", c_in=32, among=listed)
        assert (found.value, found.exact) == (last, True)
    missing = solve("octconv", "hw", "params < 28", c_in=32, among="10:20:2")
    assert missing.why_not == "hw does not change params: all values from 10 to 20 do not meet the target"
    assert solve("octconv", "hw", "params < 28801", c_in=32, pick="smallest").value == "2"
    assert solve("octconv", "hw", "params < 28801", c_in=32).value is None


def test_pairs_with_a_value_of_which_the_cost_falls() -> None:
    """For each stride the most channels; a smaller stride is better, since the cost falls as it grows."""
    strides, channels, bound = range(1, 5), range(8, 65, 8), 2_000_000
    best: dict[int, int] = {}
    for stride in strides:
        fits = [c for c in channels if 9 * 16 * c * (-(-28 // stride)) ** 2 <= bound]
        if fits and all(max(fits) > other for other in best.values()):
            best[stride] = max(fits)
    among = {"stride": "1:4", "cout": "8:64:8"}
    found = solve("conv", "stride,cout", f"macs <= {bound}", c_in=16, hw=28, among=among)
    assert {int(one["value"]["stride"]): int(one["value"]["cout"]) for one in found.front} == best
    assert found.exact
    assert len(best) > 1
    # Both as large as possible, since that is asked for.
    largest = solve("conv", "stride,cout", f"macs <= {bound}", c_in=16, hw=28, among=among, pick="largest")
    assert [one["value"] for one in largest.front] == [{"stride": "4", "cout": "64"}]


def test_pairs_where_the_last_value_of_a_list_does_not_exist() -> None:
    among = {"batch": "4:11", "k": "2:5"}
    found = solve("spconv", "batch,k", "activations > 75264", c_in=16, c_out=32, hw=14, among=among, pick="smallest")
    # 6 x 32 maps of 14 x 14 are 37,632 elements for a batch of 1, with those in between.
    fits = [n for n in range(4, 12) if layer("spconv", 16, 32, k=3, hw=14, batch=n).cost.activations > 75264]
    assert [one["value"] for one in found.front] == [{"batch": str(fits[0]), "k": "3"}]


@pytest.mark.parametrize(
    ("limit", "bound"),
    [
        ("macs <= 3M / 0.0015k", 3_000_000 / 1.5),
        ("traffic <= 3 MiB / 0.3KiB * 0.5k", Fraction(3 * 2**20 * 10, 3 * 1024) * 500),
    ],
)
def test_a_number_with_a_unit_is_one_number(limit: str, bound: Fraction | float) -> None:
    """0.0015k is 1.5, also behind a division sign."""
    read = read_limit(limit, "network")
    assert read.bound({}) == bound


@pytest.mark.parametrize(
    ("limit", "message", "hint"),
    [
        ("macs <= 1.0e999", "a number on its right side is too large", "at most 300 digits"),
        ("macs <= 50%", "'50%' does not say of what", "0.5 * baseline"),
        ("macs <= 12.5 % of baseline", "'12.5 %' does not say of what", "0.125 * baseline"),
        ("macs <= 50% * baseline", "'50%' does not say of what", "0.5 * baseline"),
    ],
)
def test_a_limit_that_is_no_number(limit: str, message: str, hint: str) -> None:
    """The error is about what was written."""
    with pytest.raises(FlopcalcError) as error:
        read_limit(limit, "network")
    assert message in error.value.message
    assert hint in str(error.value.hint)
    # The rest of a division stays what it was.
    assert read_limit("macs <= 5 % 3", "network").bound({}) == 2


@pytest.mark.parametrize("dtype", [[], {}, "float33", None])
def test_a_wrong_dtype(dtype: Any) -> None:
    questions: tuple[dict[str, Any], ...] = ({}, {"choose": "ghost", "minimise": "macs"})
    for question in questions:
        names = () if question else ("batch", "macs <= 1G")
        with pytest.raises(FlopcalcError, match="dtype is"):
            solve("resnet18", *names, dtype=dtype, **question)


def test_a_long_number_is_cut() -> None:
    with pytest.raises(FlopcalcError) as error:
        solve("conv", "k", "macs <= 1G", c_in=8, among="9" * 90)
    assert len(error.value.message) < 300


def test_few_values_that_exist_below_the_start() -> None:
    """CompConv from 11 channels exists for 13 and 14, 24 to 28, and 36 to 42 outputs only, up to 63."""
    shape: dict[str, Any] = {"c_in": 11, "k": 3, "hw": 6}
    costs = {out: _macs("compconv", c_out=out, **shape) for out in range(1, 64)}
    fits = [out for out, macs in costs.items() if macs is not None and macs <= 15_228]
    found = solve("compconv", "cout", "macs <= 15228", pick="largest", **shape)
    assert found.value == str(max(fits))
    pairs = solve("compconv", "cin,cout", "macs <= 15228", k=3, hw=6)
    assert {"cin": "11", "cout": str(max(fits))} in [one["value"] for one in pairs.front]


def test_pairs_of_few_whole_numbers_are_searched_one_by_one() -> None:
    """k^2 h w 8 16 is at most 41,472: each kernel has the largest map, and no pair is left out."""
    best: dict[int, int] = {}
    for k in range(1, 40):
        sides = [s for s in range(1, 40) if 0 < (_macs("conv", c_in=8, c_out=16, k=k, hw=s) or 0) <= 41_472]
        if sides:
            best[k] = max(sides)
    front = {(k, s) for k, s in best.items() if not any(o > k and t >= s for o, t in best.items())}
    found = solve("conv", "k,hw", "macs <= 41472", c_in=8, c_out=16)
    assert {(int(one["value"]["k"]), int(one["value"]["hw"])) for one in found.front} == front
