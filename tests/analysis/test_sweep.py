"""`flopcalc.sweep`: conditions, fronts, orders, limits, values and errors, each against brute force."""

import subprocess
import sys
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from fractions import Fraction
from itertools import product
from operator import itemgetter
from typing import Any

import pytest
from helpers import ROOT, WriteNetwork

from flopcalc import FlopcalcError, layer, network, sweep
from flopcalc.cost.kinds import KINDS
from flopcalc.text.expression import evaluate

np: Any = pytest.importorskip("numpy")

from flopcalc.analysis.sweeping import choice
from flopcalc.analysis.sweeping import grid as grid_module
from flopcalc.analysis.sweeping.outcome import Rows
from flopcalc.analysis.sweeping.request import MAX_COMBINATIONS, Key
from flopcalc.analysis.sweeping.values import decimal_text, exact_number, len_of, read_range, read_sizes

CHANNELS = [16, 24, 32, 40]
KERNELS = [1, 3, 5]


def brute(name: str, **fixed: Any) -> list[dict[str, Any]]:
    """Every combination of CHANNELS twice and KERNELS to which the operator applies, one layer after the other."""
    rows = []
    for c_in, c_out, k in product(CHANNELS, CHANNELS, KERNELS):
        try:
            e = layer(name, c_in, c_out, k=k, hw=9, **fixed)
        except FlopcalcError:
            continue
        ratios = {f"ratio({kind})": e.ratio(kind) for kind in KINDS}
        sizes = {"operator": name, "c_in": c_in, "c_out": c_out, "k": k, "h": 9, "w": 9}
        # Traffic is in bytes of float32.
        rows.append({**sizes, **{kind: e.total(kind) for kind in KINDS}, "traffic": 4 * e.traffic, **ratios})
    return rows


def swept(*names: str, **settings: Any) -> Any:
    """The same combinations by a sweep."""
    return sweep(*names, c_in=CHANNELS, c_out=CHANNELS, k=KERNELS, hw=9, **settings)


def pick(rows: Any, *names: str) -> list[tuple[Any, ...]]:
    """Some columns of rows."""
    return [tuple(row[name] for name in names) for row in rows]


CONDITIONS = [
    "macs < 1e6",
    "300k <= macs < 1.5M",
    "params == 2304 or k == 5",
    "not (c_in == c_out) and macs <= 500000",
    "ratio(macs) <= 1/2",
    "ratio(params) > 0.5 and ratio(params) * 2 < 1.1",
    "ratio(adds) >= 0",
    "macs / params > 80.5",
    "(macs - params) / (c_in - 24) < 1e5",
    "c_out // c_in == 1 and c_out % c_in > 4",
    "min(c_in, c_out) >= 24 and max(c_in, c_out, 36) < 40",
    "ceil(c_in / 7) == floor(c_out / 7)",
    "round(c_in / 16) == 2",
    "macs < 1e6 if k == 3 else params < 300",
    "operator == 'ghost'",
    "k ^ 2 * c_in == 144",
    "-macs > -400000",
    "true",
    "macs < 0",
]


@pytest.mark.parametrize("text", CONDITIONS)
def test_conditions_hold_exactly(text: str) -> None:
    """Row by row what the same expression is on the exact numbers of one layer."""

    def holds(row: Mapping[str, Any]) -> bool:
        names = {key: value for key, value in row.items() if value is not None}
        plain = text.replace("300k", "300000").replace("1.5M", "1500000")
        for kind in KINDS:
            plain = plain.replace(f"ratio({kind})", f"ratio__{kind}")
            if (value := names.get(f"ratio({kind})")) is not None:
                names[f"ratio__{kind}"] = value
        try:
            return bool(evaluate(plain, names))
        except FlopcalcError:
            # A division by zero, or a ratio to nothing.
            return False

    for name in ("ghost", "conv", "spconv"):
        want = pick(filter(holds, brute(name)), "c_in", "c_out", "k", "macs")
        assert pick(swept(name, where=text), "c_in", "c_out", "k", "macs") == want


def test_conditions_on_options_and_their_absence() -> None:
    """Fractions exactly, texts, truth values; an option that a rule decides, or of another operator, meets none."""
    alphas = ["1/8", "1/4", "1/3", "1/2"]
    found = swept("spconv", "conv", alpha=alphas, where="alpha <= 1/3", columns="operator,alpha,c_in,c_out,k")
    assert {(row["operator"], row["alpha"]) for row in found} == {
        ("spconv", 0.125),
        ("spconv", 0.25),
        ("spconv", "1/3"),
    }
    assert set(swept("spconv", where="fusion == 'weighted' and not norm").column("k")) == {1, 3, 5}
    assert not len(swept("spconv", where="fusion == 'sum'"))
    found = sweep("attention", c_in=16, hw=[4, 8], window="auto,2,4", where="window < 4", columns="window,h")
    assert found.to_rows() == [[2, 4], [2, 8]]
    assert not len(sweep("attention", c_in=16, hw=[4, 8], window="auto", where="not (window >= 4) and window == 4"))


def dominates(one: tuple[Any, ...], other: tuple[Any, ...]) -> bool:
    """As the definition says."""
    return all(a <= b for a, b in zip(one, other, strict=True)) and one != other


@pytest.mark.parametrize("keys", ["macs", "macs,params", "macs,-c_out", "-c_in,-c_out,macs", "steps,macs,params,-k"])
def test_the_front_is_what_no_row_beats(keys: str) -> None:
    """Every pair compared."""
    names = [key.strip("-") for key in keys.split(",")]
    signs = [-1 if key.startswith("-") else 1 for key in keys.split(",")]
    rows = [*brute("conv"), *brute("ghost"), *brute("spconv")]
    points = [tuple(sign * row[name] for sign, name in zip(signs, names, strict=True)) for row in rows]
    want = [row for row, point in zip(rows, points, strict=True) if not any(dominates(one, point) for one in points)]
    found = swept("conv", "ghost", "spconv", pareto=keys)
    assert pick(found, "operator", "c_in", "c_out", "k") == pick(want, "operator", "c_in", "c_out", "k")


@pytest.mark.parametrize("exact", [False, True])
def test_fronts_of_random_points(exact: bool) -> None:
    """With ties, in two to four keys; also of ints beyond 64 bits."""
    rng = np.random.default_rng(1)
    for size in range(2, 5):
        for _ in range(60):
            points = rng.integers(0, 6, (size, int(rng.integers(1, 40))))
            columns = {str(index): row for index, row in enumerate(points)}
            if exact:
                columns = {name: row.astype(object) * 2**70 for name, row in columns.items()}
            columns["place"] = np.arange(points.shape[1])
            found = choice.front(Rows(points.shape[1], columns), [Key(str(index)) for index in range(size)])
            listed = [tuple(map(int, point)) for point in points.T]
            want = [i for i, point in enumerate(listed) if not any(dominates(one, point) for one in listed)]
            assert found.columns["place"].tolist() == want


@pytest.mark.parametrize("size", [1, 2, 3, 4])
@pytest.mark.parametrize("most", [4, 50, 10**6])
def test_fronts_of_many_points_in_blocks(size: int, most: int) -> None:
    """Thousands of points, in blocks of which each knows good points of those before; every pair compared."""
    rng = np.random.default_rng(size)
    points = rng.integers(0, most, (size, 3000))
    if most == 50:
        # A long front: the keys work against each other.
        points[-1] = 50 * size - points[:-1].sum(axis=0) if size > 1 else points[-1]
    beaten = [
        bool((np.all(points <= one, axis=0) & np.any(points < one, axis=0)).any())
        for one in (p[:, None] for p in points.T)
    ]
    want = [place for place, value in enumerate(beaten) if not value]
    keys = [Key(str(index)) for index in range(size)]
    columns = {str(index): row for index, row in enumerate(points)} | {"place": np.arange(3000)}
    assert choice.front(Rows(3000, columns), keys).columns["place"].tolist() == want
    selection, kept = choice.Selection(keys, (), None), []
    for start in range(0, 3000, 700):
        part = {name: column[start : start + 700] for name, column in columns.items()}
        rows = Rows(len(part["place"]), part)
        kept.append(rows.taken(selection.places(rows)))
    merged = choice.front(choice.together(kept, list(columns)), keys)
    assert merged.columns["place"].tolist() == want


def test_the_front_of_ratios() -> None:
    """Floats; a ratio to nothing is never on the front, as it is no number."""
    rows = [*brute("ghost"), *brute("spconv")]
    points = [(row["ratio(macs)"], row["params"]) for row in rows]
    want = [row for row, point in zip(rows, points, strict=True) if not any(dominates(one, point) for one in points)]
    found = swept("ghost", "spconv", pareto="ratio(macs),params")
    assert pick(found, "operator", "c_in", "c_out", "k") == pick(want, "operator", "c_in", "c_out", "k")
    assert not len(swept("ghost", pareto="ratio(adds),macs"))


@pytest.mark.parametrize(("keys", "limit"), [("macs", None), ("-macs", 7), ("k,-params,c_in", 20), ("ratio(macs)", 9)])
def test_the_order(keys: str, limit: int | None) -> None:
    """Python's own sort, which keeps the order of equal rows; also where only the first ones are kept."""
    rows = [*brute("ghost"), *brute("compconv")]
    # `reverse` keeps equal rows as they come, too.
    for key in reversed(keys.split(",")):
        rows.sort(key=itemgetter(key.removeprefix("-")), reverse=key.startswith("-"))
    found = swept("ghost", "compconv", sort=keys, limit=limit)
    assert pick(found, "operator", "c_in", "c_out", "k") == pick(rows[:limit], "operator", "c_in", "c_out", "k")


def test_bounded_memory_keeps_the_best(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small tasks, so that fronts and first rows are merged many times."""
    whole = {keys: swept("conv", "ghost", **keys_of(keys)).to_rows() for keys in ("pareto", "sort")}
    monkeypatch.setattr("flopcalc.analysis.sweeping.operators._BLOCKS", 1)
    monkeypatch.setattr("flopcalc.analysis.sweeping.operators.BLOCK", 5)
    for keys, rows in whole.items():
        assert swept("conv", "ghost", **keys_of(keys)).to_rows() == rows


def keys_of(which: str) -> dict[str, Any]:
    """A front, or the first ten rows."""
    return {"pareto": "macs,-c_out,params"} if which == "pareto" else {"sort": "-macs,k", "limit": 10}


def test_blocks_do_not_change_the_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks of any size give the same rows in the same order."""
    grid: dict[str, Any] = {"c_in": "1:40:1", "c_out": "2:60:2", "groups": [1, 2], "hw": "7:10:1"}
    whole = sweep("conv", **grid)
    original = grid_module.Grid.__init__
    for inner, block in ((1, 7), (16, 64), (1000, 999), (4, 100_000)):
        monkeypatch.setattr(grid_module, "_INNER", inner)
        monkeypatch.setattr(
            grid_module.Grid, "__init__", lambda self, axes, _=0, size=block: original(self, axes, size)
        )
        again = sweep("conv", **grid)
        assert again.to_rows() == whole.to_rows()
        assert again.reasons == whole.reasons
    assert whole.combinations == 40 * 30 * 2 * 4
    assert whole.infeasible + len(whole) == whole.combinations


def test_reasons_are_counted_and_have_an_example() -> None:
    """By target and rule; the example is what `flopcalc.layer` says of the first combination that breaks it."""
    found = swept("sic", "conv", groups=[1, 3])
    assert found.infeasible == sum(one["count"] for one in found.reasons)
    by_rule = {(one["target"], one["rule"]): one for one in found.reasons}
    assert by_rule["sic", "c_in equals c_out"]["count"] == 12 * 3 * 2
    assert by_rule["sic", "groups is 1"]["count"] == 4 * 3
    # 24 is the only number of channels that 3 divides.
    assert by_rule["conv", "groups divides c_in and c_out"]["count"] == 15 * 3
    with pytest.raises(FlopcalcError) as caught:
        layer("sic", 16, 24, k=1, hw=9)
    assert by_rule["sic", "c_in equals c_out"]["example"] == caught.value.reason


def test_ranges_include_both_ends() -> None:
    """As the help says: 16:1024:16 has 64 values."""
    assert list(read_range("--cin", "16:1024:16", int)) == list(range(16, 1025, 16))
    assert len_of(read_sizes("--cin", "16:1024:16")) == 64
    assert list(read_range("--cin", "3:1:-1", int)) == [3, 2, 1]
    assert list(read_range("--cin", "5:5", int)) == [5]
    widths = read_range("--set width", "0.25:1.5:0.25", exact_number)
    assert widths == tuple(Fraction(one, 4) for one in range(1, 7))
    # 0.1 + 0.1 + 0.1 is not 0.3 in floats.
    assert read_range("--set width", "0.1:0.7:0.1", exact_number)[2] == Fraction(3, 10)
    assert list(map(decimal_text, widths)) == ["0.25", "0.5", "0.75", "1", "1.25", "1.5"]
    assert decimal_text(Fraction(-1, 3)) == "-1/3"


def test_values_from_python() -> None:
    """Ranges, lists, NumPy's integers and text are the same values; each once."""
    forms: list[Any] = ["16:64:16", [16, 32, 48, 64], range(16, 65, 16), np.arange(16, 65, 16), "16,32,16,48:64:16"]
    rows = [sweep("conv", c_in=form, k=np.int64(5)).to_rows() for form in forms]
    assert all(one == rows[0] for one in rows)
    assert sweep("mixconv", c_in=24, kernels=[(3, 5), (3,)]).column("kernels") == ["3,5", "3"]
    assert sweep("mixconv", c_in=24, kernels="3,5;3").column("kernels") == ["3,5", "3"]
    assert sweep("mixconv", c_in=24, kernels=(3, 5)).column("kernels") == ["3,5"]
    assert sweep("ghost", c_in=24, norm=True).column("params") == sweep("ghost", c_in=24, norm="true").column("params")


def test_defaults_are_those_of_a_layer() -> None:
    """Output channels of the operator, kernels of one axis, channels that an option fixes."""
    assert sweep("depthwise", c_in=[8, 16], multiplier=[1, 3]).column("c_out") == [8, 24, 16, 48]
    assert sweep("sic", dims="4,6;2,3").column("c_in") == [24, 6]
    assert sweep("conv1d", c_in=8, hw=20, k=[3, 5]).column("k") == [3, 5]
    assert sweep("conv3d", c_in=8, hw=20, k="3,3x5x5").column("k") == [3, "3x5x5"]
    assert sweep("conv", c_in=8, h=[7, 9], w=11).column("h") == [7, 9]
    assert sweep("spconv:alpha=1/4", c_in=16).column("operator") == ["spconv:alpha=1/4"]


@pytest.mark.parametrize(
    "settings", [{}, {"where": "macs < 2e8"}, {"pareto": "macs,params"}, {"sort": "macs", "limit": 5}]
)
def test_processes_give_the_same_rows_in_the_same_order(settings: dict[str, Any]) -> None:
    """Two processes, small tasks."""
    grid: dict[str, Any] = {"c_in": "16:64:16", "c_out": "16:64:16", "k": [1, 3], "hw": [7, 14], "groups": [1, 3]}
    one = sweep("conv", "topological", "ghost", **grid, **settings)
    two = sweep("conv", "topological", "ghost", **grid, **settings, jobs=2)
    assert one.to_dict() == two.to_dict()


def test_a_described_network_at_every_combination() -> None:
    """Each row is `flopcalc.network`, and with a replacement what `flopcalc model --replace` counts."""
    from flopcalc.targets.read import read_target
    from flopcalc.targets.spec import from_texts

    found = sweep("mobilenet_v2", input="128:192:32", width="0.5:1:0.25", batch=[1, 4], replace="spconv,ghost:s=2,none")
    assert found.combinations == len(found) == 3 * 3 * 2 * 3
    for row in found:
        size = row["h"]
        texts = () if row["replace"] == "none" else (row["replace"],)
        spec = from_texts(
            "mobilenet_v2",
            settings=[f"width={row['width']}"],
            input_texts=[f"3x{size}x{size}"],
            batch=row["batch"],
            replace_texts=texts,
        )
        want = read_target(spec).network
        assert {kind: row[kind] for kind in KINDS} == {kind: want.total(kind) for kind in KINDS} | {
            "traffic": 4 * want.traffic
        }
    ratios = sweep("mobilenet_v2", input=[160], replace="ghost,none", columns="replace,macs,ratio(macs)").to_rows()
    plain = network("mobilenet_v2", input=160).macs
    assert ratios[1] == ["none", plain, 1]
    assert ratios[0][2] == ratios[0][1] / plain


def test_replacements_apply_together_where_the_option_is_repeated() -> None:
    """One alternative of each."""
    found = sweep("resnet18", replace=["spconv where k == 3,none", "ghost where k == 1"], columns="replace,macs")
    assert found.column("replace") == ["spconv where k == 3; ghost where k == 1", "ghost where k == 1"]


@pytest.mark.parametrize(
    ("name", "option", "texts", "values"),
    [
        ("googlenet", "third", "3,5", [3, 5]),
        ("allcnn_c_cifar", "group", "Z2,p4m", ["Z2", "p4m"]),
        ("condconv_mobilenet_v2", "last", "true,false", [True, False]),
        ("convnext_tiny", "depths", "3,3,9,3;2,2,6,2", [(3, 3, 9, 3), (2, 2, 6, 2)]),
        ("mobilenet_v2", "width", "1/3,0.5", [Fraction(1, 3), Fraction(1, 2)]),
        ("resnet50", "classes", "10:30:10", [10, 20, 30]),
    ],
)
def test_options_of_networks(name: str, option: str, texts: str, values: list[Any]) -> None:
    """Each kind of option, as text and as values of Python, is what `flopcalc.network` has."""
    given: Any
    for given in (texts, values):
        found = sweep(name, **{option: given})
        want = [network(name, **{option: value}) for value in values]
        assert found.column("macs") == [one.macs for one in want]
        assert found.column("params") == [one.params for one in want]
    # The value that the column shows is one that the option takes.
    shown = found.column(option)
    assert [network(name, **{option: value}).macs for value in shown] == found.column("macs")
    settings: dict[str, Any] = {option: texts, "where": "macs > 0"}
    assert len(sweep(name, **settings)) == len(values)


def test_batches_at_the_input_of_the_network(write_network: WriteNetwork) -> None:
    """Enough of them for a closed form, which is evaluated at 8x8: 3 * 4 * 9 weights at 64 positions of each sample."""
    path = write_network("input: [3, 8, 8]\nlayers:\n  - a: {op: conv, out: 4}\n")
    found = sweep(path, batch=range(1, 129), columns="batch,h,w,macs")
    assert found.to_rows() == [[batch, 8, 8, batch * 64 * 108] for batch in range(1, 129)]


def test_networks_that_do_not_fit_are_counted() -> None:
    """The pooling of a small input; the network itself is fine."""
    found = sweep("vgg16", input=[8, 64], columns="input,macs")
    assert found.to_rows() == [["3x64x64", network("vgg16", input=64).macs]]
    assert found.infeasible == 1
    assert "does not fit" in found.reasons[0]["example"]


ERRORS: list[tuple[tuple[str, ...], dict[str, Any], str]] = [
    ((), {}, "no operator and no network"),
    (("conv",), {}, "--cin is missing"),
    (("conv", "conv"), {"c_in": 8}, "named twice"),
    (("nocnv",), {"c_in": 8}, "unknown operator"),
    (("resnet5",), {"input": 8}, "unknown"),
    (("conv", "resnet50"), {}, "'conv' is an operator, and 'resnet50' is a network"),
    (("conv",), {"c_in": "16:"}, "open end"),
    (("conv",), {"c_in": "16::2"}, "open end"),
    (("conv",), {"c_in": "16:100:16"}, "do not reach 100"),
    (("conv",), {"c_in": "16:8:1"}, "leads away"),
    (("conv",), {"c_in": "16:32:0"}, "the step is 0"),
    (("conv",), {"c_in": "a:b"}, "three numbers"),
    (("conv",), {"c_in": "1:2:3:4"}, "first:last:step"),
    (("conv",), {"c_in": ""}, "a value is missing"),
    (("conv",), {"c_in": []}, "no values"),
    (("conv",), {"c_in": range(0)}, "no values"),
    (("conv",), {"c_in": "0:4:1"}, "positive whole number"),
    (("conv",), {"c_in": [3.5]}, "positive whole number"),
    (("conv",), {"c_in": 8, "hw": 8, "h": 4}, "--hw is given together"),
    (("conv",), {"c_in": 8, "padding": "samme"}, "cannot read"),
    (("conv",), {"c_in": 8, "alpha": "1/4"}, "unknown option 'alpha'"),
    (("spconv",), {"c_in": 8, "alpha": "1/4,2"}, "at most 1"),
    (("spconv",), {"c_in": 8, "fusion": "sum,wieghted"}, "weighted or sum"),
    (("spconv:alpha=1/4",), {"c_in": 8, "alpha": "1/8"}, "given twice"),
    (("conv",), {"c_in": 8, "where": "mcs < 3"}, "unknown name 'mcs'"),
    (("conv",), {"c_in": 8, "where": "macs"}, "not a condition"),
    (("conv",), {"c_in": 8, "where": "macs = 3"}, "write =="),
    (("conv",), {"c_in": 8, "where": "macs < 'a'"}, "no order"),
    (("conv",), {"c_in": 8, "where": "log2(macs) < 3"}, "cannot be used in a sweep"),
    (("conv",), {"c_in": 8, "where": "macs / 0 < 3"}, "division by zero"),
    (("conv",), {"c_in": 8, "where": "ratio(mcs) < 3"}, "unknown kind 'mcs'"),
    (("conv",), {"c_in": 8, "pareto": "macs,mcs"}, "unknown column 'mcs'"),
    (("conv",), {"c_in": 8, "pareto": "macs,macs"}, "different columns"),
    (("conv",), {"c_in": 8, "sort": ""}, "different columns"),
    (("conv",), {"c_in": [8, 9], "sort": "operator"}, "has no order"),
    (("conv",), {"c_in": 8, "limit": 0}, "--limit is 0"),
    (("conv",), {"c_in": 8, "columns": "macs,foo"}, "unknown column 'foo'"),
    (("conv",), {"c_in": 8, "jobs": 0}, "--jobs is 0"),
    (("conv",), {"c_in": 8, "input": 224}, "--input applies to networks"),
    (("resnet50",), {"c_in": 8}, "--cin applies to operators"),
    (("resnet50",), {"input": "64:32:8"}, "leads away"),
    (("resnet50",), {"input": "3x4"}, "--input is '3x4'"),
    (("resnet50",), {"clases": 8}, "unknown option 'clases'"),
    (("mobilenet_v2",), {"width": "0:1:1/2"}, "width is"),
    (("resnet50",), {"replace": "spcon"}, "unknown operator"),
    (("resnet50",), {"keep": "conv1"}, "--keep is given without --replace"),
    (("torchvision:resnet50",), {"input": 224}, "is a Python model"),
    (("conv",), {"c_in": 8, "jobs": 2, "scheduler": "tcp://127.0.0.1:1"}, "--jobs and --scheduler"),
    (("conv",), {"c_in": 8, "scheduler": "localhost"}, "not the address of a scheduler"),
    (("conv",), {"c_in": "1:1000000:1", "c_out": "1:1000000:1"}, "1,000,000,000,000 combinations"),
    (("conv",), {"c_in": "1:1000000:1", "c_out": "1:1000000:1", "limit": 5, "sort": "macs"}, "--sort looks at all"),
]


@pytest.mark.parametrize(("targets", "settings", "text"), ERRORS, ids=[text for _, _, text in ERRORS])
def test_errors_say_what_is_wrong(targets: tuple[str, ...], settings: dict[str, Any], text: str) -> None:
    """One line that names the value, and a hint."""
    with pytest.raises(FlopcalcError) as caught:
        sweep(*targets, **settings)
    assert text in caught.value.message
    assert caught.value.hint
    assert caught.value.exit_code == 2


def test_too_many_combinations_with_a_limit() -> None:
    """The first rows of 10^12 combinations take no time."""
    grid: dict[str, Any] = {"c_in": "1:1000000:1", "c_out": "1:1000000:1"}
    found = sweep("conv", **grid, limit=3, columns="c_in,c_out,macs")
    assert [row[:2] for row in found.to_rows()] == [[1, 1], [1, 2], [1, 3]]
    assert found.combinations < 10**6


def test_a_formula_that_needs_numbers_gets_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """A plug-in that loops over a size, one that branches on its type, and one that is wrong on arrays."""
    from flopcalc.catalog import lookup
    from flopcalc.cost import parts
    from flopcalc.spec.operator import Operator, Param
    from flopcalc.spec.source import Paper

    def looped(g: Any, count: Any) -> Any:
        return [parts.conv(f"c{index}", g.c_in, g.c_out, g.area, g.p_in, g.p_out) for index in range(count)]

    def typed(g: Any, count: Any) -> Any:
        width = g.c_out if type(g.c_in) is int and g.c_in > 12 else g.c_in
        return (parts.conv("c", g.c_in, width, g.area, g.p_in, g.p_out),)

    def failing(g: Any, count: Any) -> Any:
        return (parts.conv("c", g.c_in, [g.c_out, 0][g.c_in % 2], g.area, g.p_in, g.p_out),)

    paper = Paper("x2020x", (), "X", "X", 2020)
    for formula in (looped, typed, failing):
        made = Operator("mine", "Mine", "convolutions", paper, formula, (Param("count", "int", 1, "a number", 1),))
        monkeypatch.setattr(lookup, "get", lambda name, made=made: made)
        monkeypatch.setattr(lookup, "find", lambda name, made=made: made)
        found = sweep(
            "mine", c_in=[8, 11, 16], c_out=[8, 24], k=[1, 3], count=[1, 3], columns="c_in,c_out,k,count,macs"
        )
        assert len(found) == 24
        for row in found:
            alone = made.evaluate(made.geometry(row["c_in"], row["c_out"], k=row["k"]), {"count": row["count"]})
            assert row["macs"] == alone.macs


def test_frames() -> None:
    """The same values in pandas and polars, as 64-bit integers where they fit."""
    found = sweep(
        "spconv", "conv", c_in=[16, 2**40], alpha=["1/8", "1/4"], columns="operator,c_in,alpha,macs,ratio(macs)"
    )
    small = sweep("conv", c_in=[16, 32])
    for name, method in (("pandas", "to_pandas"), ("polars", "to_polars")):
        pytest.importorskip(name)
        frame = getattr(found, method)()
        assert list(frame.columns) == list(found.columns)
        assert list(frame["macs"]) == found.column("macs") or [int(one) for one in frame["macs"]] == found.column(
            "macs"
        )
        assert str(getattr(small, method)()["macs"].dtype).lower() == "int64"


def test_the_record() -> None:
    """Its length, its text and its contract."""
    found = sweep("sic", c_in=[16, 24], c_out=16, columns="c_in,macs")
    assert len(found) == 1
    assert repr(found) == "<Sweep of 1 row: c_in, macs; 2 combinations, 1 infeasible>"
    assert list(found) == [{"c_in": 16, "macs": layer("sic", 16).macs}]
    record = found.to_dict()
    assert list(record)[:4] == ["schema", "columns", "rows", "infeasible"]
    assert record["schema"] == "flopcalc/sweep/1"
    assert "<table>" in (found._repr_html_() or "")
    with pytest.raises(FlopcalcError, match="unknown column"):
        found.column("foo")


@pytest.mark.parametrize("package", ["numpy", "pandas", "polars"])
def test_a_missing_package_is_named(package: str) -> None:
    """Exit code 3, and the command that installs it."""
    call = {"numpy": "", "pandas": ".to_pandas()", "polars": ".to_polars()"}[package]
    source = (
        f"import sys; sys.modules[{package!r}] = None\nimport flopcalc\n"
        f"try:\n    flopcalc.sweep('conv', c_in=8){call}\n"
        "except flopcalc.FlopcalcError as error:\n    print(int(error.exit_code), error.hint)"
    )
    done = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, check=False)
    assert done.stdout.startswith(f'3 pip install "{package}>='), done.stderr


def test_a_dask_cluster_gives_the_same_rows() -> None:
    """A scheduler and two workers that this test starts, in processes of their own."""
    distributed = pytest.importorskip("distributed", reason="dask.distributed is not installed")
    grid: dict[str, Any] = {"c_in": "16:256:16", "c_out": "16:256:16", "k": [1, 3]}
    rest: dict[str, Any] = {"where": "macs < 1e8", "sort": "macs", "limit": 50}
    here = sweep("conv", "spconv", **grid, **rest)
    with pytest.MonkeyPatch.context() as patch, warnings_ignored():
        patch.setenv("PYTHONPATH", str(ROOT))
        settings = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": None, "processes": True}
        with distributed.LocalCluster(**settings) as cluster:
            there = sweep("conv", "spconv", **grid, **rest, scheduler=cluster.scheduler_address)
    assert there.to_dict() == here.to_dict()


def test_no_scheduler_answers() -> None:
    """An error, and not a wait without end."""
    pytest.importorskip("distributed", reason="dask.distributed is not installed")
    with warnings_ignored(), pytest.raises(FlopcalcError, match="no Dask scheduler answers") as caught:
        sweep("conv", c_in=8, scheduler="tcp://127.0.0.1:9")
    assert "dask scheduler" in caught.value.hint


@contextmanager
def warnings_ignored() -> Iterator[None]:
    """Dask's own warnings."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def test_the_check_of_sizes_is_before_the_work() -> None:
    """The limits that the errors name."""
    assert MAX_COMBINATIONS == 10**10


@pytest.mark.parametrize("name", ["resnet18", "mobilenet_v2", "yolov3_tiny", "swin_t", "alexnet"])
@pytest.mark.parametrize("replace", ["none", "ghost"])
def test_closed_forms_of_networks_give_the_same_rows(name: str, replace: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With and without them, sizes at which the network does not exist included."""
    from flopcalc.analysis.sweeping import networks

    columns = "input,h,w,batch,replace,params,macs,flops,activations,traffic,steps,adds,muls,other,ratio(macs)"
    found = []
    for least in (1, 10**9):
        monkeypatch.setattr(networks, "_WORTH_A_FORM", least)
        found.append(
            sweep(name, input="3x20:260:48x33:97:32,224,3x64x64", batch=[1, 3], replace=[replace], columns=columns)
        )
    assert found[0].to_rows() == found[1].to_rows()
    assert (found[0].infeasible, found[0].reasons) == (found[1].infeasible, found[1].reasons)


def test_a_closed_form_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """No combination is evaluated by the description."""
    calls: list[object] = []
    monkeypatch.setattr("flopcalc.analysis.sweeping.networks.read_target", calls.append)
    assert len(sweep("resnet18", input="100:300:1", columns="macs").to_rows()) == 201
    assert not calls


def test_traffic_is_in_bytes(run: Any, tmp_path: Any) -> None:
    """A convolution reads 8 x 6 x 6 elements and 16 x 8 weights, and writes 16 x 6 x 6: as layer, model and solve."""
    moved = 4 * (8 * 36 + 16 * 8 + 16 * 36)
    given: Any = {"c_in": 8, "c_out": 16, "k": 1, "hw": 6, "columns": "traffic,ratio(traffic)"}
    assert sweep("conv", **given).to_rows() == [[moved, 1.0]]
    assert sweep("conv", **given, where=f"traffic <= {moved}", pareto="traffic", sort="traffic").to_rows() == [
        [moved, 1]
    ]
    assert not len(sweep("conv", **given, where=f"traffic < {moved}"))
    words = ["sweep", "conv", "--cin", "8", "--cout", "16", "-k", "1", "--hw", "6", "--columns", "traffic"]
    assert "traffic (bytes)" in run(*words).out
    assert run(*words, "--format", "csv").out.splitlines() == ["traffic", str(moved)]
    assert run(*words, "--format", "jsonl").out == f'{{"traffic": {moved}}}\n'
    assert run(*words, "--format", "json", "--where", f"traffic == {moved}").out.count(str(moved)) == 1


@pytest.mark.parametrize("most", [2, 200])
def test_batches_by_a_form_or_one_by_one(most: int) -> None:
    """Each by the description, or all by a closed form, which is made at another input."""
    found = sweep("resnet18", batch=range(1, most + 1), columns="input,batch,macs,traffic,ratio(traffic)")
    plain = network("resnet18", batch=2)
    assert found.to_rows()[1] == ["3x224x224", 2, 2 * 1_814_073_344, 4 * plain.traffic, 1]
