"""Descriptions that are read once and evaluated many times: the same results, nothing stale, bounded, thread-safe."""

import ast
import os
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from helpers import WriteNetwork, for_author
from hypothesis import example, given
from hypothesis import strategies as st

from flopcalc import FlopcalcError, network
from flopcalc.cost.kinds import KINDS
from flopcalc.networks import description, library, reader
from flopcalc.networks.description import Description
from flopcalc.networks.like import read_network_file
from flopcalc.networks.network import INPUT, Network
from flopcalc.text.compiled import compiled, is_name, names_in
from flopcalc.text.expression import evaluate, exact, parse

HELD: dict[str, tuple[Any, Description]] = {}


def outcome(one: Description, options: Any, shape: Any, batch: int) -> Any:
    """All that a network has, or the error."""
    try:
        net = one.at(options, shape, batch)
    except FlopcalcError as error:
        return error.code, error.message, error.hint
    layers = [
        layer._replace(evaluation=layer.evaluation and (layer.geometry, layer.evaluation.named, layer.evaluation.given))  # type: ignore[arg-type]
        for layer in net.layers
    ]
    totals = {kind: net.total(kind) for kind in KINDS}
    return net.title, net.options, net.input_shape, net.batch, net.output, net.remarks, totals, layers


def options_of(draw: st.DrawFn, defaults: dict[str, Any], declared: dict[str, Any]) -> dict[str, Any]:
    """Values of some options, good and bad."""
    given = {}
    for option, default in defaults.items():
        if draw(st.integers(0, 2)):
            continue
        if choices := declared[option].get("choices"):
            given[option] = draw(st.sampled_from(choices))
        elif isinstance(default, bool):
            given[option] = draw(st.booleans())
        elif isinstance(default, tuple):
            given[option] = [max(1, size + draw(st.integers(-1, 1))) for size in default]
        elif isinstance(declared[option]["default"], float):
            given[option] = draw(st.sampled_from([0.25, 0.5, 0.75, 1.3, 2, 0]))
        else:
            given[option] = draw(st.sampled_from([1, 2, 3, default // 2, default + 1, 2 * default]))
    return given


@st.composite
def evaluations(draw: st.DrawFn) -> tuple[str, list[tuple[dict[str, Any], tuple[int, ...] | None, int]]]:
    """A shipped network, and several evaluations of it."""
    name = draw(st.sampled_from(library.names()))
    if name not in HELD:
        data, path = read_network_file(library.source(name), library.source)
        HELD[name] = data, Description(data, path)
    data, held = HELD[name]
    held.at()
    found = []
    for _ in range(3):
        sizes = st.sampled_from([1, 30, 32, 64, 97, 160, 224, 225, 299, 384])
        channels = draw(st.sampled_from([data["input"][0]] * 5 + [4]))
        shape = draw(st.sampled_from([None, (channels, draw(sizes), draw(sizes))]))
        options = options_of(draw, held._defaults or {}, data.get("options") or {})
        found.append((options, shape, draw(st.sampled_from([1, 2, 5]))))
    return name, found


@given(evaluations())
def test_a_later_evaluation_gives_what_the_first_reading_gives(
    case: tuple[str, list[tuple[dict[str, Any], tuple[int, ...] | None, int]]],
) -> None:
    """Layers, costs, titles and errors, whatever was evaluated before."""
    name, found = case
    data, held = HELD[name]
    for options, shape, batch in found:
        fresh = outcome(Description(data, held.source), options, shape, batch)
        for time in ("first", "second"):
            assert outcome(held, options, shape, batch) == fresh, for_author(
                name,
                f"evaluated the {time} time with {options}, input {shape}, it differs from a first reading; "
                "a decision of the reader has no guard on the tape",
                "flopcalc/networks/tape.py",
            )


def test_another_input_or_batch_is_not_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """All shipped networks at twice their input, where it does not change which layers they have."""
    held = {name: library.compiled(name) for name in library.names()}
    small = {name: one.at() for name, one in held.items()}

    def refuse(self: Any, data: Any) -> str:
        raise AssertionError("read again")

    expected = {
        name: Description(one._data, one.source).at({}, [small[name].input_shape[0], *(2 * s for s in shape[1:])], 3)
        for name, one in held.items()
        if len(shape := small[name].input_shape) == 3
    }
    monkeypatch.setattr(reader.Reader, "read", refuse)
    for name, net in expected.items():
        if not name.startswith("swin"):
            # Swins pad maps that the windows do not divide.
            assert held[name].at({}, net.input_shape, 3).macs == net.macs, name
    # 1.968M parameters in a published table (see the description), less 990 rows of 1280 weights and a bias.
    small_net = held["mobilenet_v2"].at({"width": 0.5, "classes": 10})
    assert (small_net.params + 990 * 1281) // 1000 == 1968
    assert len(expected) > 100


def test_totals_are_sums_over_layers() -> None:
    """Each cost is summed once for all layers that share it; here layer by layer."""
    for name in library.names():
        net = network(name, batch=2)
        for kind in KINDS:
            if kind != "steps":
                assert net.total(kind) == sum(layer.cost.total(kind) for layer in net.layers), (name, kind)
        assert net.fold(lambda cost, batch: 7 * cost.total("macs") + batch) == 7 * net.macs + 2 * len(net.layers)
        assert net.steps == _longest_path(net), name


def _longest_path(net: Network) -> int:
    ends = {INPUT: 0}
    for layer in net.layers:
        ends[layer.name] = layer.cost.steps_after([ends[one] for one in layer.inputs])
    return max(ends.values())


# Nothing is stale ------------------------------------------------------------------------------

NET = "input: [8, 4, 4]\nlayers:\n  - a: {op: conv, out: 3, k: 1}\n"


def rewrite(path: Path, text: str) -> None:
    """Change a file without changing its time or its size."""
    before = path.stat()
    assert len(text) == before.st_size
    path.write_text(text)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert path.stat().st_mtime_ns == before.st_mtime_ns


def test_a_changed_file_is_seen_whatever_its_time(write_network: WriteNetwork, tmp_path: Path) -> None:
    """Its content is compared, and that of the network that it is like."""
    path = Path(write_network(NET))
    like = tmp_path / "like.yaml"
    like.write_text("like: net.yaml\n")
    assert [network(one).params for one in (path, like)] == [24, 24]
    snapshot = library.compiled(str(path))
    rewrite(path, NET.replace("out: 3", "out: 5"))
    assert [network(one).params for one in (path, like)] == [40, 40]
    assert snapshot.at().params == 24
    rewrite(path, NET.replace("out: 3", "out: x"))
    for one in (path, like):
        with pytest.raises(FlopcalcError, match=r"net\.yaml, line 3: layer a: out: .* unknown name 'x'"):
            network(one)
    path.unlink()
    with pytest.raises(FlopcalcError, match="cannot read the network"):
        network(path)
    with pytest.raises(FlopcalcError, match=r"like\.yaml, line 1: cannot read the network"):
        network(like)


def test_what_a_name_refers_to_is_looked_up_each_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another folder, another network; a local file hides the shipped one of that name."""
    (tmp_path / "one").mkdir()
    (tmp_path / "two" / "published" / "networks").mkdir(parents=True)
    for folder, out in (("one", 3), ("two", 5)):
        (tmp_path / folder / "net.yaml").write_text(NET.replace("out: 3", f"out: {out}"))
    found = []
    for folder in ("one", "two", "one"):
        monkeypatch.chdir(tmp_path / folder)
        found.append(network("net.yaml").params)
    assert found == [24, 40, 24]
    monkeypatch.chdir(tmp_path / "two")
    shipped = network("published/networks/vgg_small.yaml").params
    hiding = tmp_path / "two" / "published" / "networks" / "vgg_small.yaml"
    hiding.write_text(NET)
    assert network("published/networks/vgg_small.yaml").params == 24 != shipped
    Path("like.yaml").write_text("like: published/networks/vgg_small.yaml\n")
    assert network("like.yaml").params == 24
    hiding.unlink()
    assert network("published/networks/vgg_small.yaml").params == shipped
    assert network("like.yaml").params == shipped
    hiding.write_text(NET)
    assert network("like.yaml").params == 24


def test_a_changed_operator_file_is_seen(write_network: WriteNetwork, tmp_path: Path) -> None:
    """Also by a description that was compiled before: operators are looked up on each evaluation."""
    file = tmp_path / "op.yaml"
    text = "title: Pointwise\nparts:\n  - only: {op: conv, k: 1, c_out: c_out}\n"
    file.write_text(text)
    one = library.compiled(write_network(f"input: [16, 8, 8]\nlayers:\n  - a: {{op: {file}, out: 16}}\n"))
    assert [one.at().params, one.at().params] == [256, 256]
    rewrite(file, text.replace("k: 1", "k: 3"))
    assert [one.at().params, one.at().params] == [2304, 2304]


def test_a_result_is_the_caller_s_own() -> None:
    """What the caller changes in one result does not change the next."""
    one = library.compiled("mobilenet_v3_small")
    first = one.at()
    wanted = [(layer.settings, dict(layer.evaluation.named) if layer.evaluation else None) for layer in one.at().layers]
    for layer in first.layers:
        layer.settings["changed"] = 1  # type: ignore[index]
        if layer.evaluation:
            layer.evaluation.named["bias"] = "changed"  # type: ignore[index]
    first.options["width"] = 0  # type: ignore[index]
    again = one.at()
    assert [(x.settings, x.evaluation.named if x.evaluation else None) for x in again.layers] == wanted
    assert again.options != first.options


# Errors, threads, bounds -----------------------------------------------------------------------

GUARDED = """
input: [8, 16, 16]
options:
  width: {default: 8, help: channels}
  depth: {default: 2, help: units}
  act: {default: relu, choices: [relu, gelu], help: activation}
title: "a network of {width // 2} and {depth}"
layers:
  - a: {op: conv, out: width, k: "3 if h > 8 else 1", groups: 4}
  - b: {op: "{act}"}
  - c: {op: conv, out: 100 // (h - 2), when: c > 4}
  - d: {op: conv, out: 8, repeat: depth}
"""


def test_guards_and_errors_by_hand(write_network: WriteNetwork) -> None:
    """Decisions by sizes and options, after evaluations that decided otherwise; each figure worked out by hand."""
    one = library.compiled(write_network(GUARDED))
    # a: 8 * 8 / 4 * 9; c: 8 -> 100 // 14 = 7; d: (7 + 8) * 8 * 9.
    for _ in range(2):
        assert one.at().params == 144 + 8 * 7 * 9 + 15 * 72
        # No c: width is 4. a: 4 * 8 / 4 * 9; d: (4 + 8) * 72.
        assert one.at({"width": 4}).params == 72 + 12 * 72
        assert [layer.name for layer in one.at({"width": 4, "depth": 1}).layers] == ["a", "b", "d.0"]
        assert one.at({"act": "gelu"}).layers[1].kind == "gelu"
        assert one.at({"width": 12}).title == "a network of 6 and 2; width 12"
        # A 1x1 kernel at 8x8: 16 weights; c: 100 // 6 = 16.
        assert one.at({}, (8, 8, 8)).params == 16 + 8 * 16 * 9 + 24 * 72
        with pytest.raises(FlopcalcError, match=r"line 11: layer c: out: .* division by zero"):
            one.at({}, (8, 2, 2))
        with pytest.raises(FlopcalcError, match=r"line 9: layer a: .* groups = 4 does not divide"):
            one.at({"width": 6})
        with pytest.raises(FlopcalcError, match="line 11: layer c: out is -100, not a whole number"):
            one.at({}, (8, 1, 1))


def test_blocks_that_are_alike_by_chance(write_network: WriteNetwork) -> None:
    """Two uses of a block are read once where their inputs have the same shape, which another width changes."""
    text = (
        "input: [8, 4, 4]\noptions: {width: {default: 8, help: channels}}\n"
        "blocks: {unit: {args: {out: null}, layers: [{x: {op: conv, out: out, k: 1}}]}}\n"
        "layers: [{a: {op: conv, out: width, k: 1}}, {u: {block: unit, out: 8, stage: s}}, "
        "{v: {block: unit, out: 8, stage: s}}]\n"
    )
    one = library.compiled(write_network(text))
    # a: 8 x width; u: width x 8; v: 8 x 8.
    assert [one.at({"width": width}).params for width in (8, 5, 8, 3)] == [192, 144, 192, 112]


def test_threads_share_a_description() -> None:
    """Eight threads, each with other sizes and options, on one description."""
    cases = [({"width": Fraction(one, 8)}, (3, 32 * two, 32), 1 + one % 3) for one in range(1, 9) for two in (1, 3, 5)]
    data, path = read_network_file(library.source("mobilenet_v2"), library.source)
    wanted = [outcome(Description(data, path), *case) for case in cases]
    shared = Description(data, path)
    with ThreadPoolExecutor(8) as threads:
        for found in (list(threads.map(lambda case: outcome(shared, *case), cases)) for _ in range(3)):
            assert found == wanted


def test_what_is_kept_is_bounded(write_network: WriteNetwork, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The structures of a description, the number of descriptions, and the size of all together."""
    one = library.compiled(write_network(GUARDED))
    for depth in range(1, 30):
        one.at({"depth": depth})
    assert len(one._plans) == description.MAX_PLANS
    monkeypatch.setattr(library, "MAX_HELD", 3)
    for index in range(6):
        (tmp_path / f"{index}.yaml").write_text(NET)
        network(tmp_path / f"{index}.yaml")
    assert len(library._held) == 3
    monkeypatch.setattr(library, "MAX_SIZE", 0)
    network(tmp_path / "0.yaml")
    assert len(library._held) == 1
    monkeypatch.setattr(description, "MAX_SIZE", 2)
    large = Description(*read_network_file(write_network(GUARDED), library.source))
    assert large.at().params == large.at().params
    assert large._plans == ()


# Expressions -----------------------------------------------------------------------------------

NAMES = {"a": 7, "b": 0, "f": Fraction(3, 4), "t": True, "s": "v1.5", "l": (1, 2), "big": 10**100}
_LEAVES = st.sampled_from([*NAMES, "0", "1", "2", "8", "1.5", "0.25", "'v1.5'", "true", "missing"])


_SIGNS = ["+", "-", "*", "/", "//", "%", "^", "==", "!=", "<", "<=", ">", ">=", "and", "or"]


def _grown(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    two = st.tuples(inner, st.sampled_from(_SIGNS), inner)
    return st.one_of(
        two.map(lambda pieces: f"({' '.join(pieces)})"),
        inner.map(lambda one: f"not {one}"),
        inner.map(lambda one: f"-({one})"),
        st.tuples(inner, inner, inner).map(lambda three: f"({three[0]} if {three[1]} else {three[2]})"),
        st.tuples(inner, inner, inner).map(lambda three: f"({three[0]} < {three[1]} <= {three[2]})"),
        st.tuples(st.sampled_from(["min", "max", "divisible"]), inner, inner).map(lambda x: f"{x[0]}({x[1]}, {x[2]})"),
        st.tuples(st.sampled_from(["floor", "ceil", "round", "log2"]), inner).map(lambda x: f"{x[0]}({x[1]})"),
        st.tuples(inner, inner).map(lambda x: f"floor({x[0]} / {x[1]})"),
        inner.map(lambda one: f"sum(i, 1, 3, i * {one})"),
    )


@given(st.recursive(_LEAVES, _grown, max_leaves=12))
@example("floor(a * f / 2)")
@example("floor(a / t)")
@example("big * big * big * big * big * big * big * big * big * big * big * big * big")
def test_a_compiled_expression_has_the_value_of_the_walk_or_none(text: str) -> None:
    """Where it has a value, that of `evaluate`, of the same type; it raises wherever `evaluate` does."""
    try:
        found = compiled(text)(NAMES)
    except Exception:
        return
    wanted = evaluate(text, NAMES)
    assert (type(found), found) == (type(wanted), wanted)
    assert exact(found) == exact(wanted)
    assert {name for name in NAMES if name in text.split()} <= names_in(text) | {"true"}


@given(st.integers(1, 4000), st.sampled_from([1, 2, 4, 8, 16, 10]), st.sampled_from([0.25, 0.35, 0.5, 0.75, 1.3, 1.4]))
def test_divisible_is_the_rule_of_mobilenet(channels: int, divisor: int, width: float) -> None:
    """`_make_divisible` of the authors, on exact fractions, written down here again."""
    value = channels * Fraction(str(width))
    wanted = max(divisor, int(value + Fraction(divisor, 2)) // divisor * divisor)
    wanted += divisor if wanted < Fraction(9, 10) * value else 0
    assert evaluate(f"divisible({channels} * {width}, {divisor})", {}) == wanted


@pytest.mark.parametrize("text", ["a", "_a1", "true", "True", "None", "if", "a b", " a", "a.b", "1", "", "ﬁ", "lambda"])
def test_a_name_is_what_the_parser_says(text: str) -> None:
    """A look at the text, without the parser."""
    try:
        node = parse(text)
    except FlopcalcError:
        node = None
    assert is_name(text) == (isinstance(node, ast.Name) and node.id == text)
