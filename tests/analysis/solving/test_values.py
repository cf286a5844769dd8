"""Values that meet a target, against brute force: the cost at every value of a grid, by `network` and `layer`."""

import random
from collections.abc import Mapping, Sequence
from fractions import Fraction
from functools import cache
from itertools import pairwise
from typing import Any

import pytest

from flopcalc import FlopcalcError, layer, network, solve
from flopcalc.networks import library
from flopcalc.replacing.decide import plan
from flopcalc.replacing.described import replace_layers

TINY = 10**9


def _within(one: Any, value: Fraction) -> bool:
    low, high = one["from"], one["to"]
    above = low is None or value > Fraction(low) or (one["from_included"] and value == Fraction(low))
    return above and (high is None or value < Fraction(high) or (one["to_included"] and value == Fraction(high)))


def _around(one: Any) -> list[tuple[Fraction, bool]]:
    """Numbers at the ends of an interval and next to them, and whether they are inside."""
    found = []
    for end, sign, inside in ((one["from"], 1, one["from_included"]), (one["to"], -1, one["to_included"])):
        if end is not None:
            found += [(Fraction(end), inside), (Fraction(end) + Fraction(sign, TINY), True)]
            found += [(Fraction(end) - Fraction(sign, TINY), False)]
    return [(number, inside) for number, inside in found if number > 0]


# Rational options of networks ----------------------------------------------------------------------

WIDTHS = [
    "mobilenet_v2",
    "mobilenet_v1",
    "shufflenet_v1",
    "efficientnet_b0",
    "mobilenet_v3_large",
    "ghostnet",
    "yolov8",
]


@cache
def _costs(name: str, option: str, values: Sequence[Any], kind: str) -> Mapping[Any, int]:
    """The cost of a network at each value that it takes."""
    costs = {}
    for value in values:
        given: dict[str, Any] = {option: value}
        try:
            costs[value] = network(name, **given).total(kind) * (4 if kind == "traffic" else 1)
        except FlopcalcError:
            continue
    return costs


@pytest.mark.parametrize("name", WIDTHS)
def test_widths_of_networks(name: str) -> None:
    """No value of a grid beyond the answer meets a random target; the interval's ends are exact."""
    numbers = random.Random(name)  # noqa: S311 - the same numbers on each run
    option = "width"
    costs = _costs(name, option, tuple(Fraction(n, 97) for n in range(4, 250, 3)), "macs")
    for comparison in ("<=", "<", ">=", ">") if name in WIDTHS[:2] else (numbers.choice(("<=", "<", ">=", ">")),):
        bound = numbers.choice(list(costs.values())[3:-20]) + numbers.choice((-1, 0, 1))
        found = solve(name, option, f"macs {comparison} {bound}")
        assert found.exact
        value = Fraction(found.value)
        assert found.cost is not None
        assert network(name, **{option: found.value}).macs == found.cost["macs"]
        met = {"<=": int.__le__, "<": int.__lt__, ">=": int.__ge__, ">": int.__gt__}[comparison]
        assert met(found.cost["macs"], bound)
        (interval,) = found.alternatives
        assert _within(interval, value)
        meeting = [one for one, cost in costs.items() if met(cost, bound)]
        last = max(meeting) if comparison.startswith("<") else min(meeting)
        assert _within(interval, last) or (last < value if comparison.startswith("<") else last > value)
        for number, inside in _around(interval):
            same: dict[str, Any] = {option: number}
            try:
                totals = network(name, **same)
            except FlopcalcError:
                assert not inside
                continue
            equal = (totals.macs, totals.params) == (found.cost["macs"], found.cost["params"])
            assert equal == inside, (number, interval)


def test_the_width_of_mobilenet_v2_for_300_m() -> None:
    """By hand: 32 w, 16 w, ... in multiples of 8; the 320 channels change at 308, 312, 316: w = 0.975, 0.9875."""
    found = solve("mobilenet_v2", "width", "macs <= 300M")
    assert found.value == "0.98"
    assert found.alternatives[0]["from"] == "0.975"
    assert found.alternatives[0]["to"] == "0.9875"
    assert (found.alternatives[0]["from_included"], found.alternatives[0]["to_included"]) == (True, False)
    assert network("mobilenet_v2", width="0.98").macs <= 300_000_000 < network("mobilenet_v2", width="0.9875").macs
    assert found.next is not None
    assert found.next["value"] == "0.9875"


@cache
def _by_alpha() -> Mapping[Fraction, int]:
    """MACs of ResNet-50 for each alpha at which a number of channels changes: multiples of 1/512."""
    plain = network("resnet50")
    found = {Fraction(n, 512): replace_layers(plain, plan(f"spconv:alpha={n}/512")) for n in range(1, 513)}
    return {alpha: one.network.macs for alpha, one in found.items() if one.replaced}


@pytest.mark.parametrize("bound", ["2.45G", "2.5G", "2.6G", "2.9G"])
def test_alpha_of_spconv_is_not_monotone(bound: str) -> None:
    """Where floor(alpha c) is odd a layer stays: brute force over all steps."""
    plain = network("resnet50")
    limit = Fraction(bound[:-1]) * 10**9
    meeting = [alpha for alpha, macs in _by_alpha().items() if macs <= limit]
    answer = solve("resnet50", "alpha", f"macs <= {bound}", replace="spconv")
    if not meeting:
        assert answer.value is None
        return
    assert answer.exact
    assert _within(answer.alternatives[0], max(meeting))
    again = replace_layers(plain, plan(f"spconv:alpha={answer.value}")).network
    assert answer.cost is not None
    assert again.macs == answer.cost["macs"] <= limit


# Whole numbers of networks -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "option", "limit", "values"),
    [
        ("mobilenet_v2", "input", "macs <= 100M", range(1, 400)),
        ("mobilenet_v2", "input", "macs >= 100M", range(1, 400)),
        ("resnet18", "batch", "activations <= 20M", range(1, 40)),
        ("resnet50", "classes", "params <= 24M", range(1, 2000)),
        ("resnet50", "classes", "params < 24M", range(1, 2000)),
        ("vgg16", "input", "traffic <= 700M", range(1, 200)),
        ("efficientnet_b0", "input", "steps <= 500", range(200, 300)),
    ],
)
def test_whole_numbers_of_networks(name: str, option: str, limit: str, values: range) -> None:
    """The largest or smallest of all values of a range."""
    kind, comparison, bound = limit.split()
    number = int(Fraction(bound[:-1]) * {"M": 10**6, "K": 1000}[bound[-1]]) if bound[-1] in "MK" else int(bound)
    met = {"<=": int.__le__, "<": int.__lt__, ">=": int.__ge__}[comparison]
    costs = _costs(name, option, values, kind)
    meeting = [value for value, cost in costs.items() if met(cost, number)]
    found = solve(name, option, limit)
    if len(set(costs.values())) == 1:
        assert found.value is None
        assert "does not change" in (found.why_not or "")
        return
    last = max(meeting) if comparison.startswith("<") else min(meeting)
    assert found.value == (f"3x{last}x{last}" if option == "input" else str(last))
    assert found.exact


def test_the_aspect_of_the_input_is_kept() -> None:
    """9:16 in the smallest whole steps."""
    found = solve("mobilenet_v2", "input", "macs <= 1G", input=(3, 360, 640))
    _, height, width = map(int, str(found.value).split("x"))
    assert height * 16 == width * 9
    step = height // 9
    sizes = [network("mobilenet_v2", input=(3, 9 * n, 16 * n)).macs for n in (step, step + 1)]
    assert sizes[0] <= 10**9 < sizes[1]


# Operators -----------------------------------------------------------------------------------------


@cache
def _brute(name: str, option: str, values: range, kind: str, **shape: Any) -> Mapping[int, Fraction]:
    """Ratios to the plain convolution, by `layer`."""
    found = {}
    for value in values:
        given = {**shape, option: value}
        try:
            ratio = layer(name, given.pop("c_in"), given.pop("c_out", None), **given).ratio(kind)
        except FlopcalcError:
            continue
        if ratio is not None:
            found[value] = ratio
    return found


@pytest.mark.parametrize(
    ("name", "option", "values", "shape"),
    [
        ("sic", "b", range(1, 1025), {"c_in": 64}),
        ("sic", "b", range(1, 1025), {"c_in": 10, "k": 5}),
        ("ghost", "s", range(1, 65), {"c_in": 64}),
        ("compconv", "depth", range(65), {"c_in": 256}),
        ("compconv", "depth", range(65), {"c_in": 1024}),
        ("hetconv", "part", range(1, 65), {"c_in": 64}),
        ("spconv", "groups_k", range(1, 33), {"c_in": 64}),
    ],
)
@pytest.mark.parametrize("kind", ["macs", "params"])
def test_options_of_operators(name: str, option: str, values: range, shape: dict[str, Any], kind: str) -> None:
    """At five bounds each: the last value that meets it, on the side where the cost grows."""
    ratios = _brute(name, option, values, kind, **shape)
    numbers = random.Random(f"{name} {kind}")  # noqa: S311 - the same numbers on each run
    ordered = list(ratios.values())
    falls = all(a >= b for a, b in pairwise(ordered)) and ordered[0] > ordered[-1]
    for _ in range(5):
        bound = numbers.choice(ordered)
        for comparison in ("<=", "<"):
            meeting = [v for v, ratio in ratios.items() if ratio < bound or (ratio == bound and comparison == "<=")]
            found = solve(
                name, option, f"ratio(conv, {kind}) {comparison} {bound.numerator}/{bound.denominator}", **shape
            )
            if not meeting or (len(set(ordered)) == 1 and found.value is None):
                assert found.value is None
                continue
            assert found.value == str(min(meeting) if falls else max(meeting)), (bound, comparison, found)


@pytest.mark.parametrize("limit", ["> 0.3", "<= 0.3", "<= 0.256", ">= 0.4", "> 0.26"])
def test_a_ceiling_that_is_exact_at_powers_of_two(limit: str) -> None:
    """CompConv's ratio is a saw: at 32, 64, 128, ... channels it falls, in between it does not."""
    comparison, bound = limit.split()
    ratios = _brute("compconv", "c_in", range(1, 3000), "macs", depth=3)
    number = Fraction(bound)
    met = {">": Fraction.__gt__, "<=": Fraction.__le__, ">=": Fraction.__ge__}[comparison]
    meeting = [value for value, ratio in ratios.items() if met(ratio, number)]
    found = solve("compconv", "cin", f"ratio(conv) {limit}", depth=3)
    if comparison == "<=":
        # They are met by all large numbers of channels.
        assert found.value is None
        assert "there is no largest value" in (found.why_not or "")
        smallest = solve("compconv", "cin", f"ratio(conv) {limit}", depth=3, pick="smallest")
        assert smallest.value == str(min(meeting))
        return
    assert found.value == str(min(meeting))
    assert solve("compconv", "cin", f"ratio(conv) {limit}", depth=3, pick="largest").value == str(max(meeting))


def test_sizes_of_operators() -> None:
    """The channels of a convolution, of which both follow --cin; and its input."""
    for bound in (10**6, 10**9, 3 * 10**9):
        channels = int(solve("conv", "cin", f"macs <= {bound}", hw=14).value)
        assert channels**2 * 9 * 196 <= bound < (channels + 1) ** 2 * 9 * 196
        size = int(solve("conv", "hw", f"macs <= {bound}", c_in=8).value)
        assert size**2 * 9 * 64 <= bound < (size + 1) ** 2 * 9 * 64
    # One group for each 32 channels: only multiples apply.
    assert solve("group", "cin", "params <= 24K", groups=8).value == "144"
    assert 144 * 144 * 9 // 8 <= 24_000 < 152 * 152 * 9 // 8


def test_very_large_numbers() -> None:
    """More values than can be gone through: bisection, and the closed form."""
    found = solve("conv", "cin", "macs <= 10^16")
    assert int(found.value) ** 2 * 9 * 3136 <= 10**16 < (int(found.value) + 1) ** 2 * 9 * 3136
    assert found.exact


# Values that are listed ----------------------------------------------------------------------------


def test_listed_values() -> None:
    """A range includes both ends; a list is a list; the answer is one of them."""
    assert solve("mobilenet_v2", "input", "macs <= 200M", among="32:512:32").value == "3x160x160"
    assert solve("mobilenet_v2", "width", "macs <= 200M", among=[0.25, 0.5, 0.75, 1.0]).value == "0.5"
    assert solve("mobilenet_v2", "width", "macs <= 210M", among="0.25:0.75:0.25").value == "0.75"
    assert network("mobilenet_v2", width=0.75).macs <= 210_000_000
    for wrong in ("0.25:0.75:0", "1:2:3:4", "a", "-1:2:1"):
        with pytest.raises(FlopcalcError, match="--among"):
            solve("mobilenet_v2", "width", "macs <= 1G", among=wrong)


def test_choices_without_an_order() -> None:
    """The one with the cost nearest to the bound: both tails of CompConv, by their costs."""
    costs = {tail: layer("compconv", 256, tail=tail).macs for tail in ("conv", "depthwise")}
    cheap, expensive = sorted(costs, key=lambda tail: costs[tail])
    for bound, answer in ((costs[expensive], expensive), (costs[expensive] - 1, cheap), (costs[cheap] - 1, None)):
        assert solve("compconv", "tail", f"macs <= {bound}", c_in=256).value == answer


# Pairs ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("comparison", ["<=", ">="])
def test_pairs_of_a_small_grid(comparison: str) -> None:
    """All pairs that no other pair beats in both, of all pairs of a grid."""
    widths, sizes = [Fraction(n, 4) for n in range(1, 9)], range(32, 260, 32)
    met = int.__le__ if comparison == "<=" else int.__ge__

    def better(a: Any, b: Any) -> bool:
        return bool(a >= b if comparison == "<=" else a <= b)

    pairs = {
        (width, size)
        for width in widths
        for size in sizes
        if met(network("mobilenet_v2", width=width, input=size).macs, 150_000_000)
    }
    front = {
        (width, size)
        for width, size in pairs
        if not any((w, s) != (width, size) and better(w, width) and better(s, size) for w, s in pairs)
    }
    found = solve(
        "mobilenet_v2",
        "width,input",
        f"macs {comparison} 150M",
        among={"width": "0.25:2:0.25", "input": "32:256:32"},
    )
    assert {(Fraction(one["value"]["width"]), int(one["value"]["input"].split("x")[1])) for one in found.front} == front
    assert found.exact


def test_pairs_of_all_widths() -> None:
    """Each pair is the answer of a search for its input, and no other pair beats it."""
    found = solve("mobilenet_v2", "width,input", "macs <= 20M", among={"input": "32:96:32"})
    for one in found.front:
        alone = solve("mobilenet_v2", "width", "macs <= 20M", input=one["value"]["input"])
        assert alone.value == one["value"]["width"]
    widths = [Fraction(one["value"]["width"]) for one in found.front]
    assert widths == sorted(widths, reverse=True)


def test_all_pairs_of_whole_numbers() -> None:
    """Batch and input of a small network, by brute force over both."""
    bound = 3_000_000_000
    single = {size: network("resnet18", input=size).macs for size in range(1, 400)}
    best: dict[int, int] = {}
    for size, cost in single.items():
        if cost <= bound:
            best[size] = bound // cost
    front = {
        (size, batch)
        for size, batch in best.items()
        if not any(other > size and batches >= batch for other, batches in best.items())
    }
    found = solve("resnet18", "input,batch", f"macs <= {bound}")
    pairs = {(int(one["value"]["input"].split("x")[1]), int(one["value"]["batch"])) for one in found.front}
    assert pairs == {(size, batch) for size, batch in front}


# What has no answer --------------------------------------------------------------------------------


def test_no_solution() -> None:
    """A reason in words, and the value that comes nearest."""
    found = solve("mobilenet_v2", "width", "macs <= 1M")
    assert (found.value, found.cost) == (None, None)
    assert "no width meets macs <= 1M" in (found.why_not or "")
    assert found.nearest is not None
    smallest = network("mobilenet_v2", width="0.001").macs
    assert found.nearest["cost"]["macs"] == smallest
    both = solve("mobilenet_v2", "width", ["macs <= 100M", "macs >= 200M"])
    assert both.value is None
    assert "macs <= 100M needs at most 0.52, macs >= 200M needs at least" in (both.why_not or "")


def test_targets_together() -> None:
    """A lower bound as a condition moves the answer up, an upper one down."""
    found = solve("mobilenet_v2", "width", "macs >= 100M", subject="params >= 2.5M")
    alone = solve("mobilenet_v2", "width", "params >= 2.5M")
    assert found.value == alone.value
    upper = solve("mobilenet_v2", "width", "macs <= 300M", subject="params <= 3M")
    assert upper.cost is not None
    assert upper.cost["params"] <= 3 * 10**6
    assert upper.value == solve("mobilenet_v2", "width", "params <= 3M").value


def test_an_option_without_effect_and_no_largest_value() -> None:
    """Both say so."""
    assert "batch does not change params" in (solve("resnet18", "batch", "params <= 20M").why_not or "")
    endless = solve("mobilenet_v2", "input", ["macs >= 1", "params <= 10M"])
    assert endless.value is None or endless.value == "3x1x1"
    (every,) = solve("mobilenet_v2", "width", "macs >= 1").notes
    assert "every width" in every
    saturated = solve("shufflenet_v1", "stem", "params <= 0.1M")
    assert saturated.value is None


def test_networks_that_exist_at_single_values_only(write_network: Any) -> None:
    """`out: 32 * width` is a whole number at some widths: they are tried one by one, and it says so."""
    path = write_network(
        "input: [3, 8, 8]\noptions:\n  width: {default: 1.0, help: factor}\nlayers:\n"
        "- conv: {op: conv, out: 32 * width}\n"
    )
    found = solve(path, "width", "params <= 500")
    # 27 weights for each output channel: 18 channels, width 9/16 = 0.5625, is not a multiple of 0.001; 16 is.
    assert found.value == "0.5"
    assert not found.exact
    assert "multiple" in found.method


def test_a_cost_that_falls_and_rises(write_network: Any) -> None:
    """All steps are gone through, whatever the cost does: brute force over a fine grid."""
    path = write_network(
        "input: [3, 8, 8]\noptions:\n  width: {default: 1.0, help: factor}\nlayers:\n"
        '- conv: {op: conv, out: "max(1, 40 - floor(16 * width)) + 30 * floor(width / 2)"}\n'
        "- act: relu\n"
    )
    costs = {Fraction(n, 64): network(path, width=Fraction(n, 64)).params for n in range(1, 64 * 8)}
    for bound in (200, 500, 1000, 1500):
        meeting = [value for value, cost in costs.items() if cost <= bound]
        found = solve(path, "width", f"params <= {bound}")
        if not meeting:
            assert found.value is None
            continue
        assert found.value is not None
        assert network(path, width=found.value).params <= bound
        assert _within(found.alternatives[0], max(meeting))


def test_what_is_not_linear_is_tried_on_a_grid(write_network: Any) -> None:
    """A square of the option: the step of the grid is in the method."""
    path = write_network(
        "input: [3, 8, 8]\noptions:\n  width: {default: 1.0, help: factor}\nlayers:\n"
        "- conv: {op: conv, out: ceil(10 * width ^ 2)}\n"
    )
    found = solve(path, "width", "params <= 270")
    # 10 channels and 27 weights for each: width 1.
    assert found.value == "1"
    assert not found.exact
    assert "0.001" in found.method


# Wrong questions -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("question", "match"),
    [
        (("mobilenet_v2", "widht", "macs <= 1G"), "unknown option of mobilenet_v2 'widht'"),
        (("resnet50", "blocks", "macs <= 1G"), "blocks is a list"),
        (("mobilenet_v2", "width", "peak_memory <= 24G"), "memory is limited for --for batch"),
        (("mobilenet_v2", "width", "layer x: macs <= 1"), "it limits single layers"),
        (("mobilenet_v2", "width", "macs <= locked"), "locked"),
        (("mobilenet_v2", "width", "ratio(conv) <= 1"), "conv is an operator"),
        (("mobilenet_v2", "width", ()), "no target is given"),
        (("mobilenet_v2", "width,input,batch", "macs <= 1"), "3 names"),
        (("efficientnet_b0", "width,depth", "macs <= 1G"), "no end of pairs"),
        (("sic", "b", "macs <= 1G"), "the input channels are missing"),
        (("gohst", "s", "macs <= 1G"), "unknown network or operator"),
    ],
    ids=str,
)
def test_wrong_questions(question: Any, match: str) -> None:
    """One line and a hint each."""
    with pytest.raises(FlopcalcError, match=match.replace("(", r"\(").replace(")", r"\)")) as caught:
        solve(*question)
    assert caught.value.hint
    assert "\n" not in caught.value.message + caught.value.hint


def test_an_option_of_several_clauses() -> None:
    """It must be named with its operator; the command that shows the cost keeps the other clause."""
    clauses = ["spconv where k == 3 and stage == 'layer4'", "spconv where k == 3"]
    with pytest.raises(FlopcalcError, match="2 clauses have the option alpha"):
        solve("resnet50", "alpha", "macs <= 3G", replace=clauses)
    found = solve("resnet50", "s", "macs <= 2G", replace=["spconv where k == 3", "ghost where k == 1"])
    assert found.command is not None
    assert "--replace 'spconv where k == 3' --replace 'ghost:s=" in found.command


def test_every_rational_option_of_the_shipped_networks_can_be_traced() -> None:
    """So that its steps are found, and not a grid."""
    from flopcalc.analysis.solving.axes import Steps, axis_of
    from flopcalc.analysis.solving.question import Question
    from flopcalc.analysis.solving.subjects import Changed, DescribedNetwork
    from flopcalc.analysis.solving.variables import of_network
    from flopcalc.targets.spec import TargetSpec

    seen = 0
    for name in library.names():
        subject = DescribedNetwork(TargetSpec("network", name), (), "float32", Changed(None, {}))
        for option in subject.description.declared():
            try:
                variable = of_network(option, subject)
            except FlopcalcError:
                continue
            if variable.kind == "rational":
                seen += 1
                assert isinstance(axis_of(Question(subject, (), 0), variable), Steps), (name, option)
    assert seen > 30
