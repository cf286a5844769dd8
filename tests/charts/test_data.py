"""The data of pictures: equal to numbers that are worked out without them."""

import re
from fractions import Fraction
from itertools import pairwise
from typing import Any

import pytest
from chart_pictures import EIGHT, network, picture, target

import flopcalc
from flopcalc import FlopcalcError, charts
from flopcalc.charts.stage import merged

pytest.importorskip("altair")
pytest.importorskip("numpy")


def _data(chart: Any, name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = chart.to_dict()["datasets"][name]
    return found


def _notes(chart: Any) -> str:
    return " ".join(row["text"] for row in _data(chart, "notes"))


def _number(text: str) -> int:
    return int(text.replace(",", ""))


def test_points_are_the_costs_of_the_layers() -> None:
    """Each operator at each size, by `flopcalc.layer`, exactly in the text and as a float in the place."""
    rows = _data(picture("size, eight operators"), "points")
    assert {row["series"] for row in rows} == set(EIGHT)
    for row in rows:
        flops = flopcalc.layer(row["series"], int(row["x"])).flops
        assert (_number(row["size"]), _number(row["cost"]), row["y"]) == (row["x"], flops, float(flops))
    xs = sorted(row["x"] for row in rows if row["series"] == "conv")
    assert xs == list(range(16, 513, 16))


def test_a_plain_convolution_by_hand() -> None:
    """9 c^2 times 56^2."""
    chart = charts.cost_by_size(flopcalc.sweep("conv", c_in="16:64:16"))
    assert [(row["x"], row["y"]) for row in _data(chart, "points")] == [
        (c, 9 * c * c * 56 * 56) for c in (16, 32, 48, 64)
    ]
    assert not _data(chart, "notes")


def test_the_crossing_of_two_operators_is_that_of_algebra() -> None:
    """A convolution and an inverted bottleneck against the size of the window, with their closed forms by SymPy."""
    sympy = pytest.importorskip("sympy")
    chart = charts.cost_by_size(flopcalc.sweep("conv", "mbconv", c_in=64, k="1:15:2"))
    (found,) = _data(chart, "crossings")
    k = sympy.Symbol("k", positive=True)
    # Through three sizes each, as SymPy interpolates; both are parabolas in k.
    forms = [
        sympy.interpolate([(size, flopcalc.layer(name, 64, k=size).macs) for size in (1, 3, 5)], k)
        for name in ("conv", "mbconv")
    ]
    for name, form in zip(("conv", "mbconv"), forms, strict=True):
        assert form.subs(k, 15) == flopcalc.layer(name, 64, k=15).macs
    (root,) = [one for one in sympy.solve(forms[0] - forms[1], k) if one.is_positive]
    assert found["exact"]
    assert found["x"] == pytest.approx(float(root), rel=1e-14)
    assert found["y"] == pytest.approx(float(forms[0].subs(k, root)), rel=1e-12)
    assert found["text"] == f"{float(root):.4g}"
    assert {found["a"], found["b"]} == {"conv", "mbconv"}
    # Both drawn lines go through it.
    through = [row["series"] for row in _data(chart, "curves") if (row["x"], row["y"]) == (found["x"], found["y"])]
    assert through == ["conv", "mbconv"]
    assert "Circles: equal cost, with the kernel size." in _notes(chart)


def test_a_crossing_that_no_polynomial_gives_names_the_sizes_around_it() -> None:
    """The depth of compconv is a logarithm; the costs of both operators at these sizes show the change."""
    (found,) = _data(picture("size"), "crossings")
    assert (found["text"], found["exact"]) == ("32 to 48", False)
    at = {c: flopcalc.layer("spconv", c).macs - flopcalc.layer("compconv", c).macs for c in (32, 48)}
    assert at[32] < 0 < at[48]


def test_a_cost_of_zero_is_drawn_and_named() -> None:
    """At the lower end of the log axis, below all other points; the exact cost stays 0."""
    chart = picture("size, zeros")
    rows = _data(chart, "points")
    zeros = [row for row in rows if row["series"] in {"shift_only", "adder"}]
    assert len(zeros) == 64
    assert {row["cost"] for row in zeros} == {"0"}
    (floor,) = {row["y"] for row in zeros}
    assert 0 < floor < min(row["y"] for row in rows if row["series"] == "conv") / 5
    assert "shift_only, adder have a cost of 0" in _notes(chart)
    axis = chart.to_dict()["layer"][0]["encoding"]["y"]
    assert axis["scale"]["domain"][0] == axis["axis"]["values"][0] == floor
    assert axis["axis"]["labelExpr"].startswith("datum.value <=")
    # On a linear axis there is nothing to explain.
    linear = charts.cost_by_size(flopcalc.sweep("conv", "shift_only", c_in="16:64:16"), log=False)
    assert {row["y"] for row in _data(linear, "points") if row["series"] == "shift_only"} == {0}
    assert not _data(linear, "notes")


@pytest.mark.parametrize(
    ("options", "over"),
    [
        ({"c_in": "16:64:16"}, "input channels"),
        ({"c_in": 64, "k": "3,5,7"}, "kernel size"),
        ({"c_in": 64, "hw": "14:56:14"}, "input height and width"),
        ({"c_in": 64, "h": "14:56:14", "w": 28}, "input height"),
        ({"c_in": 64, "batch": "1,2,4"}, "batch size"),
        ({"c_in": "32,64", "k": "3,5,7"}, "kernel size"),
        ({"c_in": 64, "c_out": "16:64:16"}, "output channels"),
        ({"c_in": 64}, "input channels"),
    ],
)
def test_the_horizontal_axis(options: dict[str, Any], over: str) -> None:
    """The size with the most values."""
    spec = charts.cost_by_size(flopcalc.sweep("conv", "ghost", **options)).to_dict()
    assert spec["layer"][0]["encoding"]["x"]["axis"]["title"] == over


def test_an_option_as_the_axis() -> None:
    """alpha of spconv, as the fractions that were given."""
    chart = charts.cost_by_size(flopcalc.sweep("spconv", c_in=64, alpha="1/8,1/4,1/2"), over="alpha", kind="params")
    found = {row["x"]: row["y"] for row in _data(chart, "points")}
    assert found == {
        float(Fraction(one)): flopcalc.layer("spconv", 64, alpha=one).params for one in ("1/8", "1/4", "1/2")
    }


def test_lines_are_named_by_what_differs() -> None:
    names = {row["series"] for row in _data(picture("size, settings"), "points")}
    assert names == {f"spconv, k={k}, alpha={alpha}" for k in (3, 5) for alpha in (0.125, 0.25, 0.5)}
    names = {row["series"] for row in _data(picture("size, networks"), "points")}
    assert names == {f"{name}{more}" for name in ("resnet18", "mobilenet_v2") for more in ("", " with ghost")}


def test_networks_against_their_input() -> None:
    rows = _data(picture("size, networks"), "points")
    found = {row["x"]: row["y"] for row in rows if row["series"] == "mobilenet_v2"}
    assert found[224] == network("mobilenet_v2").macs
    assert found[160] == flopcalc.network("mobilenet_v2", input=(3, 160, 160)).macs


@pytest.mark.parametrize(
    ("call", "code"),
    [
        (lambda: charts.cost_by_size(flopcalc.sweep("conv", c_in=8), kind="nonsense"), "unknown-column"),
        (lambda: charts.cost_by_size(flopcalc.sweep("conv", c_in=8), kind="operator"), "bad-usage"),
        (lambda: charts.cost_by_size(flopcalc.sweep("conv", c_in=8), over="nonsense"), "unknown-column"),
        (lambda: charts.cost_by_size(flopcalc.sweep("conv", c_in=8), over="operator"), "bad-usage"),
        (lambda: charts.cost_by_size(flopcalc.sweep("conv", c_in=8, where="macs < 0")), "empty-sweep"),
        (lambda: charts.cost_by_size(flopcalc.sweep("conv", c_in="8:256:8", k="1:9:2", hw="7,14")), None),
        (
            lambda: charts.cost_by_size(flopcalc.sweep("conv", c_in="8:256:8", hw="1:30:1"), over="c_in"),
            "too-many-lines",
        ),
        (
            lambda: charts.cost_by_size(
                flopcalc.sweep("conv", c_in="8,16", k="3,5", columns="operator,c_in,macs"), over="c_in"
            ),
            "bad-usage",
        ),
        (lambda: charts.cost_by_size(flopcalc.sweep("conv", c_in=10**100, hw=10**100)), "too-large"),
        (lambda: charts.front(flopcalc.sweep("conv", c_in=8), "macs", "nonsense"), "unknown-column"),
        (lambda: charts.front(flopcalc.sweep("conv", c_in="1:200", k="1:401:2"), "macs", "params"), "too-many"),
        (lambda: charts.cost_by_stage({}), "bad-usage"),
        (lambda: charts.cost_by_stage(network("resnet18"), "steps"), "bad-usage"),
        (lambda: charts.cost_by_stage(network("resnet18"), "nonsense"), "unknown-kind"),
        (lambda: charts.cost_by_stage(network("resnet18"), convention="nonsense"), "unknown-convention"),
        (lambda: charts.cost_by_stage([("a", network("resnet18"))] * 2), "bad-usage"),
        (lambda: charts.replacement(network("resnet18"), network("resnet18"), by="x"), "bad-option"),  # type: ignore[arg-type]
    ],
)
def test_what_cannot_be_drawn(call: Any, code: str | None) -> None:
    if code is None:
        assert call()
        return
    with pytest.raises(FlopcalcError) as caught:
        call()
    assert caught.value.code == code
    assert caught.value.hint


def test_the_bars_add_up_to_the_network() -> None:
    """Each stage is the sum of its layers; pieces touch, and the last one ends at the total."""
    for name, found in (("resnet50", network("resnet50")), ("resnet50 with spconv", network("resnet50", "spconv"))):
        rows = [row for row in _data(picture("stage"), "stages") if row["name"] == name]
        sums: dict[str, int] = {}
        for layer in found.layers:
            sums[layer.stage] = sums.get(layer.stage, 0) + layer.cost.macs
        assert {row["series"]: _number(row["cost"]) for row in rows} == sums
        assert [row["series"] for row in rows] == list(sums)
        assert rows[0]["start"] == 0
        assert all(one["end"] == other["start"] for one, other in pairwise(rows))
        assert rows[-1]["end"] == found.macs
        assert sum(row["share"] for row in rows) == pytest.approx(1)


def test_bars_of_a_convention() -> None:
    """The number of fvcore, as `flopcalc model --convention fvcore` shows it."""
    from flopcalc.cost.convention import get
    from flopcalc.networks.counted import counted

    chart = charts.cost_by_stage(network("resnet18"), convention="fvcore")
    rows = _data(chart, "stages")
    assert rows[-1]["end"] == counted(network("resnet18"), get("fvcore")).total != network("resnet18").macs
    assert chart.to_dict()["layer"][0]["encoding"]["x"]["axis"]["title"] == "cost, convention fvcore"


def test_many_stages_are_merged() -> None:
    """The smallest neighbours first; nothing is lost."""
    assert merged({"a": 5, "b": 1, "c": 2, "d": 9}, 3) == {"a": 5, "b to c": 3, "d": 9}
    assert merged({"a": 5, "b": 1, "c": 2, "d": 9}, 2) == {"a to c": 8, "d": 9}
    assert merged({"a": 1}, 3) == {"a": 1}


def test_before_and_after() -> None:
    """The replaced part of each stage is that of the layers that the replacement names."""
    done = target("resnet50", "spconv")
    assert done.replacement is not None
    replaced = set(done.replacement.replaced)
    rows = _data(picture("replacement"), "bars")
    for side, found in (("before", done.plain), ("after", done.network)):
        for part, is_replaced in (("kept", False), ("replaced" if side == "before" else "new", True)):
            sums: dict[str, int] = {}
            for layer in found.layers:
                if (layer.name in replaced) == is_replaced:
                    sums[layer.stage] = sums.get(layer.stage, 0) + layer.cost.macs
            drawn = {row["name"]: _number(row["cost"]) for row in rows if row["side"] == side and row["series"] == part}
            assert drawn == sums
        assert sum(row["amount"] for row in rows if row["side"] == side) == found.macs
    assert f"{len(replaced)} of {len(done.plain.layers)} layers replaced" in _notes(picture("replacement"))
    ratio = done.network.macs / done.plain.macs
    assert f"(x{ratio:.2f})" in _notes(picture("replacement"))


def test_before_and_after_by_layer() -> None:
    """The replaced layers, and one row for the rest, so that the sums are those of the networks."""
    done = target("resnet18", "ghost")
    rows = _data(charts.replacement(done.plain, done.network, by="layer"), "bars")
    names = list(dict.fromkeys(row["name"] for row in rows))
    assert names[-1] == "other layers"
    for side, found in (("before", done.plain), ("after", done.network)):
        assert sum(row["amount"] for row in rows if row["side"] == side) == found.macs
    one = next(layer for layer in done.network.layers if layer.name == names[0])
    assert [_number(row["cost"]) for row in rows if row["name"] == names[0]][-1] == one.cost.macs


def test_layers_are_not_slivers_next_to_the_rest() -> None:
    """The rest of resnet152 costs 30 times as much as its most expensive layer: a note has it, not a bar."""
    done = target("resnet152", "ghost")
    chart = picture("replacement, layers")
    rows = _data(chart, "bars")
    assert len({row["name"] for row in rows}) == 24
    assert "other layers" not in {row["name"] for row in rows}
    low, high = chart.to_dict()["layer"][0]["encoding"]["x"]["scale"]["domain"]
    assert (low, max(row["end"] for row in rows) / high) == (0, pytest.approx(1 / 1.16))
    drawn, rest = (
        [sum(row["amount"] for row in rows if row["side"] == side) for side in ("before", "after")],
        re.search(r"Not drawn: other layers, ([0-9.]+)G before, ([0-9.]+)G after", _notes(chart)),
    )
    assert rest is not None
    for index, found in enumerate((done.plain, done.network)):
        assert drawn[index] + float(rest[index + 1]) * 1e9 == pytest.approx(found.macs, rel=0.005)


def test_a_replacement_of_nothing() -> None:
    """One picture of equal bars, which says so."""
    chart = charts.replacement(network("resnet18"), network("resnet18"))
    assert "No layer was replaced" in _notes(chart)
    assert {row["series"] for row in _data(chart, "bars")} == {"kept"}


@pytest.mark.parametrize(
    ("x", "y"), [("macs", "params"), ("macs", "-c_out"), ("-c_out", "traffic"), ("-c_in", "-k"), ("macs", "macs")]
)
def test_the_front_is_what_no_row_beats(x: str, y: str) -> None:
    """Each row against each other row, with exact numbers."""
    sweep = flopcalc.sweep("conv", "ghost", "spconv", c_in="16:64:16", k="3,5", alpha="1/4,1/2")
    names = [one.removeprefix("-") for one in (x, y)]
    signs = [-1 if one.startswith("-") else 1 for one in (x, y)]
    points = [tuple(sign * row[name] for sign, name in zip(signs, names, strict=True)) for row in sweep]

    def beats(one: Any, other: Any) -> bool:
        return one != other and all(a <= b for a, b in zip(one, other, strict=True))

    expected = sorted(one for one in points if not any(beats(other, one) for other in points))
    chart = charts.front(sweep, x, y)
    rows = _data(chart, "front")
    found = sorted(
        tuple(sign * _number(row[key]) for sign, key in zip(signs, ("x_exact", "y_exact"), strict=True)) for row in rows
    )
    assert found == expected
    assert len(_data(chart, "points")) == len(sweep)
    if x != y:
        # The sweep itself keeps the same rows.
        kept = flopcalc.sweep("conv", "ghost", "spconv", c_in="16:64:16", k="3,5", alpha="1/4,1/2", pareto=f"{x},{y}")
        assert len(kept) == len(rows)


@pytest.mark.parametrize(("x", "y"), [("macs", "params"), ("macs", "-c_out"), ("-c_out", "traffic"), ("-k", "-c_in")])
def test_the_line_of_the_front_separates(x: str, y: str) -> None:
    """It goes through all points of the front in steps, and each corner is beaten by the points next to it."""
    # An adder has no MACs and more parameters; with a limit, a large window allows fewer channels.
    sizes = 64 if y == "params" else "16:96:16"
    sweep = flopcalc.sweep("adder", "ghost", "spconv", c_in=sizes, k="3,5,7", where="flops <= 400M")
    chart = charts.front(sweep, x, y)
    steps = [(row["x"], row["y"]) for row in _data(chart, "steps")]
    best = {(row["x"], row["y"]) for row in _data(chart, "front")}
    assert len(best) > 1
    assert best <= set(steps)
    assert all(one[0] == other[0] or one[1] == other[1] for one, other in pairwise(steps))
    signs = [-1 if one.startswith("-") else 1 for one in (x, y)]
    corners = [place for place, step in enumerate(steps) if step not in best]
    assert len(corners) == len(best) - 1
    for place in corners:
        for beside in (steps[place - 1], steps[place + 1]):
            assert all(sign * a <= sign * b for sign, a, b in zip(signs, beside, steps[place], strict=True))


def test_texts_of_the_front() -> None:
    """What differs on it, and what all its rows share."""
    chart = picture("front, settings")
    rows = _data(chart, "front")
    assert all("=" in row["text"] for row in rows)
    assert all("k=" in row["name"] for row in rows)


def test_layers_under_the_roof() -> None:
    """Intensity, FLOP/s of the estimate, an area in proportion to the time, and the roof of the data sheet."""
    found = flopcalc.roofline("resnet50", device="h200", dtype="float16", batch=32, execution="graph")
    chart = picture("roofline")
    rows = {row["text"]: row for row in _data(chart, "layers")}
    by_name = {layer.name: layer for layer in found.layers}
    assert set(rows) == {layer.name for layer in found.layers if layer.flops and layer.traffic_bytes}
    for name, row in rows.items():
        layer = by_name[name]
        assert row["x"] == pytest.approx(layer.flops / layer.traffic_bytes)
        assert row["x"] == layer.intensity
        assert row["y"] == pytest.approx(layer.flops / layer.estimate_s)
        assert row["series"] == layer.limited_by
        assert row["seconds"] == layer.estimate_s
    large = [row for row in rows.values() if row["area"] > 11]
    assert len({round(row["area"] / row["seconds"], 3) for row in large}) == 1
    roof = _data(chart, "roof")
    peak, bandwidth = found.device.peaks["float16"], found.device.bandwidth
    assert roof[1]["x"] == pytest.approx(peak / bandwidth)
    assert [row["y"] for row in roof[1:]] == [peak, peak]
    assert roof[0]["y"] == pytest.approx(roof[0]["x"] * bandwidth)


def test_layers_without_a_place_are_named() -> None:
    """Views and copies have no FLOPs: the note has their number and their share of the time."""
    found = flopcalc.roofline("ghost", device="h100", c_in=256)
    left = [layer for layer in found.layers if not layer.flops]
    share = sum(layer.estimate_s for layer in left) / found.estimate_s
    assert f"Not drawn: {len(left)} layer without FLOPs, {share:.1%} of the time." in _notes(
        picture("roofline, operator")
    )


def test_bytes_alive() -> None:
    """Those of the record, with its peak; stretches cover each layer once."""
    found = flopcalc.memory("resnet152")
    chart = picture("memory")
    rows = _data(chart, "layers")
    assert [(row["text"], row["y"]) for row in rows] == [(one.name, one.live) for one in found.layers]
    (peak,) = _data(chart, "peak")
    assert peak["y"] == found.activations_peak == max(one.live for one in found.layers)
    assert peak["name"] == f"peak {found.activations_peak / 1e6:.1f} MB at {found.activations_at}"
    stretches = _data(chart, "stretches")
    assert stretches[0]["start"] == 0
    assert stretches[-1]["end"] == len(rows)
    assert all(one["end"] == other["start"] for one, other in pairwise(stretches))
    for one in stretches:
        assert {row["text"].split(".")[0] for row in rows[one["start"] : one["end"]]} == {one["text"]}


def test_bytes_alive_in_training() -> None:
    """Forward and backward differ in colour, and the key names both."""
    pytest.importorskip("torch")
    found = flopcalc.memory("resnet18", mode="training", batch=2)
    chart = charts.memory_by_layer(found)
    rows = _data(chart, "layers")
    assert {row["series"] for row in rows if "(backward)" in row["text"]} == {"backward"}
    assert {row["series"] for row in rows if "(backward)" not in row["text"]} == {"forward"}
    assert [row["text"] for row in _data(chart, "key")] == ["forward", "backward"]
    assert max(row["y"] for row in rows) == max(one.live for one in found.layers)
