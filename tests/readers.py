"""Every reader of text or files of users, with texts that it takes: for tests of any text, and for the fuzzer.

A reader returns something, or raises a FlopcalcError with one line of what is wrong and one of what to do. A new
reader gets a row in READERS.
"""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any, NamedTuple

from helpers import ROOT, TINY
from hostile import DEVICE, OPERATOR, TARGETS

from flopcalc.errors import FlopcalcError

if TYPE_CHECKING:
    from collections.abc import Callable


class Reader(NamedTuple):
    """A reader. read: of a text, or of the name of a file here if `file` names one. seeds: texts that it takes.

    needs: a package that the reader imports.
    """

    read: Callable[[str], object]
    seeds: tuple[str, ...]
    file: str = ""
    needs: str = ""


LOCK = """\
# Costs, layer by layer
version 1
dtype float32

target tiny.yaml "tiny.yaml, input 3x8x8, batch 1"
total params 314 macs 13904 activations 522 traffic 6224 steps 3 adds 1034 other 8
layer conv1 conv conv1 3x8x8 8x8x8 params 224 macs 13824 activations 512 traffic 3712 steps 1 adds 512
layer pool global_avgpool pool 8x8x8 8x1x1 traffic 2080 steps 1 adds 512 other 8
layer flat flatten flat 8x1x1 8
layer fc linear fc 8 10 params 90 macs 80 activations 10 traffic 432 steps 1 adds 10

formula ghost
where m ceil(c_out/s)
params c_in*k^2*m + d^2*m*(s - 1)
macs h_out*m*w_out*(c_in*k^2 + d^2*s - d^2)
steps 3
"""
TOML = "[tool.flopcalc]\nlock = 'x.lock'\n[[tool.flopcalc.targets]]\nnetwork = 'tiny.yaml'\nlimits = ['macs <= 1M']\n"
KERNELS = """\
kernels:
  mylib::scan: x_0 * x_1 * weight_0
  mylib::blend: {muls: x_numel, adds: out_numel}
targets:
  - {network: tiny.yaml, limits: [macs <= 1M]}
"""
BLOCKS = (ROOT / "configs/networks/mnasnet_small.yaml").read_text(encoding="utf-8")
LARGE = (ROOT / "configs/networks/squeezenet1_0.yaml").read_text(encoding="utf-8")
ROWS = "@ README.md | FLOPs (G) | Params (M)\nresnet18 | 1.82 | 11.69\nresnet50 | 4.11G | 25.6M\n"
CSV = "name,flops,params,file\nresnet18,1.82G,11.69M,README.md\n"
TABLE = (ROOT / "configs/published/convnet_burden.yaml").read_text(encoding="utf-8")
PAIRS = (ROOT / "configs/published/pairs/thop_readme.yaml").read_text(encoding="utf-8")
SHIPPED = (ROOT / "configs/devices/raspberry-pi-5.yaml").read_text(encoding="utf-8")
EXPRESSIONS = (
    *("4 * width", "stride != 1 or c != 4 * width", "sum(i, 1, a - 1, 2^i)", "divisible(16 * w, 8)", "log2(a) / 3"),
    *("max(1, a, 3) + min(w, 2)", "ceil(a / 2) - floor(-w)", "round(5 / 2)", "a if b else 0", "not b and 1 < a <= 5"),
    *("'x' == s", "matches(s, 'x*')", "-2^-1", "7 // 2 % 3", "0.29 * 100", "(-a)^(1/3)", "log2(3) * 10^300 * 10^300"),
)
NAMES: dict[str, Any] = {"a": 5, "b": True, "w": Fraction(1, 3), "width": 64, "c": 256, "stride": 2, "s": "xy", "i": 0}


def _value(text: str) -> object:
    from flopcalc.text.expression import evaluate

    value = evaluate(text, NAMES)
    assert isinstance(value, int | Fraction | float | str | bool), value
    assert not isinstance(value, float) or abs(value) < float("inf"), value
    return value


def _compiled(text: str) -> object:
    """The compiled function gives the value of `evaluate`, or raises some exception where that raises an error."""
    from flopcalc.text.compiled import compiled

    try:
        function = compiled(text)
    except NotImplementedError:
        return None
    try:
        value = function(NAMES)
    except Exception:
        return None
    try:
        expected = _value(text)
    except FlopcalcError as error:
        raise AssertionError((value, error)) from error
    assert (value, type(value)) == (expected, type(expected)), (value, expected)
    return value


def _latex(text: str) -> object:
    from flopcalc.text.expression import to_latex

    return to_latex(text)


def _yaml(text: str) -> object:
    from flopcalc.text.yaml_file import read_text

    return read_text(text, "f.yaml")


def _network(path: str) -> object:
    from flopcalc import network

    return network(f"./{path}").macs


def _operator(path: str) -> object:
    from flopcalc import layer

    return layer(f"./{path}", 8).cost.macs


def _config(path: str) -> object:
    from flopcalc.budget.config import read_config

    return read_config(path)


def _lock(text: str) -> object:
    from flopcalc.budget.lock import parse_lock

    return parse_lock(text)


def _device(path: str) -> object:
    from flopcalc.analysis.timing.library import device

    return device(f"./{path}")


def _table(path: str) -> object:
    from flopcalc.published.tables import read_published

    return read_published(path)


def _pairs(path: str) -> object:
    from flopcalc.published.pairs import read_source

    return read_source(path)


def _rows(path: str) -> object:
    from flopcalc.published.rows import read_cell, read_rows

    return [read_cell(text, "FLOPs (G)") for row in read_rows(path) for text in (row.flops, row.params)]


def _limit(text: str) -> object:
    from flopcalc.targets.limits import read_limit

    limit = read_limit(text, "network")
    return limit.bound({"peak_memory": 3, "baseline": 3, "locked": 4, "macs": 10, "params": 3})


def _clause(text: str) -> object:
    from flopcalc.replacing.clause import check

    check(text)
    return None


def _plan(text: str) -> object:
    from flopcalc.replacing.decide import read_request

    return read_request(text)


def _condition(text: str) -> object:
    from flopcalc.analysis.sweeping.condition import check, names_in

    check(text, ("macs", "params", "k", "c_in", "ratio(params)"))
    return names_in(text)


def _range(text: str) -> object:
    from flopcalc.analysis.sweeping.values import read_sizes

    # A range of Python may be longer than `len` can say.
    return bool(read_sizes("--cin", text))


def _values(text: str) -> object:
    from flopcalc.analysis.sweeping.values import read_option
    from flopcalc.catalog import lookup

    found = []
    for name in ("spconv", "compconv"):
        for param in lookup.find(name).params:  # type: ignore[union-attr]
            try:
                # As in _range.
                found.append(bool(read_option(param, text)))
            except FlopcalcError as error:
                _check(error)
    return found


def _input(text: str) -> object:
    from flopcalc.networks.inputs import parse_input

    return parse_input(text)


def _settings(text: str) -> object:
    from flopcalc.catalog import lookup
    from flopcalc.targets.spec import split_settings

    return split_settings([text]), lookup.parse(f"compconv:{text}")


def _assumptions(text: str) -> object:
    from flopcalc.analysis.assumptions import read_assumptions

    return read_assumptions([text])


def _figure(text: str) -> object:
    from flopcalc.text.figure import read_printed

    printed = read_printed(text)
    return printed.like(printed.value), printed.agreement(3), printed.digits


def _bits(text: str) -> object:
    from flopcalc.cost.bits import read

    return read(text)


def _timeout(text: str) -> object:
    from flopcalc.targets.spec import read_timeout

    return read_timeout(text)


def _configuration(path: str) -> object:
    from flopcalc.pytorch.loading.transformers_models import _read

    return _read(path)


READERS: dict[str, Reader] = {
    "expression": Reader(_value, EXPRESSIONS),
    "compiled": Reader(_compiled, EXPRESSIONS),
    "latex": Reader(_latex, EXPRESSIONS),
    "yaml": Reader(_yaml, (TINY, LARGE, TARGETS, "a: [1, {b: 'x', c: 1e3}]\n? k\n: v\n", "- |\n  text\n- >-\n  x\n")),
    "network": Reader(_network, (TINY, BLOCKS, LARGE), "net.yaml"),
    "operator": Reader(_operator, (OPERATOR,), "operator.yaml"),
    "targets": Reader(_config, (TARGETS, KERNELS), "flopcalc.yaml"),
    "toml": Reader(_config, (TOML,), "pyproject.toml"),
    "lock": Reader(_lock, (LOCK,)),
    "device": Reader(_device, (DEVICE, SHIPPED), "device.yaml"),
    "table": Reader(_table, (TABLE,), "table.yaml"),
    "pairs": Reader(_pairs, (PAIRS,), "pairs.yaml"),
    "rows": Reader(_rows, (ROWS,), "rows.txt"),
    "csv": Reader(_rows, (CSV,), "rows.csv"),
    "limit": Reader(_limit, ("params <= 5.5M", "macs <= 1.02 * baseline", "peak_memory <= 1GiB", "ratio(conv) < 0.4")),
    "clause": Reader(_clause, ("k == 3 and stage != 'stem'", "policy and not depthwise", "matches(name, 'l*')")),
    "plan": Reader(
        _plan, ("spconv:alpha=1/4 where k == 3", "ghost", "compconv:depth=2,tail=depthwise where c_in > 64")
    ),
    "condition": Reader(_condition, ("macs < 1e9", "ratio(params) <= 1/2 and k == 3", "300M > macs or not c_in == 3")),
    "range": Reader(_range, ("16:1024:16", "3,5", "1:1000000000:1", "3x5,7", "10:1:-3")),
    "values": Reader(_values, ("1/8,1/4", "0.25:1.5:0.25", "true,false", "auto,2", "v1,v2", "1:3")),
    "input": Reader(_input, ("3x224x224", "ids=512:int64", "160", "3x224x224:float16")),
    "settings": Reader(_settings, ("depth=2", "tail=depthwise,depth=1", "shuffle=false", "c0=64")),
    "assumptions": Reader(_assumptions, ("H = 32 h, W = 32 w", "N = 2 (k + 1)")),
    "figure": Reader(_figure, ("4.11G", "~1.8x10^9", "4,089,184,256", "74.59%", "4 GFLOPs")),
    "bits": Reader(_bits, ("w4a8", "w4a4:first=w8a8,last=w8a8,fc*=w32a32")),
    "timeout": Reader(_timeout, ("120", "0.5")),
    "configuration": Reader(
        _configuration, ('{"model_type": "bert", "hidden_size": 8, "a": [1, null, 1e5]}',), "config.json", "torch"
    ),
}


def _check(error: FlopcalcError) -> None:
    assert len(error.message.splitlines()) == 1, error.message
    assert len(error.hint.splitlines()) == 1, error.hint
    assert len(error.message) < 3000, error.message
    assert int(error.exit_code) in (2, 3), error


def refuses(reader: Reader, text: str | bytes) -> bool:
    """Read a text; whether it was refused with an error. Any other exception is a fault of the reader.

    A reader of a file reads the file of its name in the present folder. Bytes are for files only.
    """
    try:
        if reader.file:
            with open(reader.file, "wb") as file:
                file.write(text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass"))
            reader.read(reader.file)
        else:
            reader.read(text if isinstance(text, str) else text.decode("utf-8", "replace"))
    except FlopcalcError as error:
        _check(error)
        return True
    return False
