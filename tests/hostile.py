"""Command lines that mean harm or are nonsense, made from click's own list of the options of a command.

A new command or option is covered by being there: an option without a pool of its own draws from all pools.
"""

from __future__ import annotations

import re
import shlex
from importlib import import_module
from typing import TYPE_CHECKING, Any

import click
from helpers import TINY
from hypothesis import strategies as st

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

# Values that no option expects. Long ones are cut in the report of a failure by hypothesis itself.
HOSTILE = (
    *("", " ", "-", "--", "-1", "0", "+3", "1e3", "1e999", "-1e999", "nan", "inf", "-inf", "1_000", "0x10", "٣", "²"),
    *("9" * 100, "9" * 5000, "1" + "0" * 100, "2^4000", "9**9**9", "9^9^9", "sum(i, 1, 10^9, i)", "1/0", "0/1", "1//0"),
    *("a\0b", "\ud800", "\udcff", "\ufeff3", "\u202e", "\x1b[31m", "a\nb", "a\r\nb", "\t", "é", "😀", "x" * 100_000),
    *(
        "(" * 300,
        "[" * 300,
        "{" * 300,
        "=",
        "==",
        "=1",
        "a=",
        "a==1",
        ",",
        ",,",
        ":",
        "::",
        "1:",
        ":1",
        "x",
        "3x",
        "x3",
    ),
    *("true", "null", "None", "__import__('os')", "a.b", "*", "?", "[", "**", "{}", "{x}", "%s", "$HOME", "`", "\\"),
    *("1:1000000000000", "1:10:0", "10:1:1", "1:10:-1", "1:2:3:4", "1:1e12:1e-9", "1," * 5000, "0:0:0", "1:9^9:1"),
    *(
        "/dev/null",
        "/dev/full",
        "/dev/zero",
        "/proc/self/mem",
        "folder",
        "nowhere",
        "nowhere/x.yaml",
        "empty",
        "..",
        "/",
    ),
)

_OPERATORS = (
    *("conv", "ghost", "spconv", "compconv", "dsc", "mbconv", "attention", "lstm", "conv3d", "winograd", "hetconv"),
    *(
        "ghost:ratio=3",
        "spconv:alpha=1/4",
        "compconv:depth=2",
        "./mine.yaml",
        "mine.yaml",
        "conv:bias=true",
        "ghost:a=b",
    ),
    *(
        "octconv:alpha=1/2",
        "keep",
        "conv,ghost",
        "spconv:alpha=0",
        "gru",
        "fft_conv",
        "gqa",
        "uib",
        "ghost where k == 3",
    ),
)
_NETWORKS = (
    *("tiny.yaml", "./tiny.yaml", "resnet18", "mobilenet_v2", "squeezenet1_1", "bad.yaml", "net.py:Net", "net:Net"),
    *(
        "net.py:missing",
        "net.py:fails",
        "net.py",
        "net.py:",
        ":Net",
        "torchvision:nothing",
        "timm:nothing",
        "hf:nothing",
    ),
    *("hf:config.json", "flopcalc.yaml", "unet", "lstm", "vit_b_16", "RESNET18"),
)
_SIZES = ("1", "2", "3", "8", "16", "64", "3x5", "8x8x8", "7", "240", "1x1", "0x3")
_SETTINGS = (
    *(
        "width=0.5",
        "classes=10",
        "bias=true",
        "alpha=1/2",
        "depth=2",
        "ratio=3",
        "tail=depthwise",
        "s=2",
        "width=1e400",
    ),
    *(
        "width=1:2:1/2",
        "alpha=1/8,1/4",
        "classes=1,2",
        "width=nan",
        "classes=-1",
        "classes=x",
        "heads=4",
        "e=6",
        "width=2/3",
    ),
    *("depth=10^9", "depth=1000000", "width=10^50", "d=4", "k=3", "se=true", "expand=4", "repeat=99999999999"),
)
_KINDS = (
    *(
        "macs",
        "params",
        "flops",
        "activations",
        "traffic",
        "steps",
        "adds",
        "muls",
        "other",
        "macs,params",
        "macs,-c_out",
    ),
    *(
        "time,peak",
        "bops",
        "cost",
        "c_in",
        "fvcore",
        "thop",
        "ptflops",
        "torchinfo",
        "intensity",
        "time",
        "peak",
        "ratio",
    ),
)
_LIMITS = (
    *(
        "macs <= 300M",
        "params <= 5.5M",
        "ratio(conv) <= 1",
        "macs <= 1.02 * baseline",
        "layer *: macs <= 1M",
        "macs == 1",
    ),
    *("time(h200) <= 5 ms", "peak <= 1GiB", "macs <= 9^9^9", "macs <= 1/0", "macs < 1e999", "stage layer1: macs <= 1"),
    *("ratio(params) <= 1/2 and k == 3", "macs < 1e9", "macs", "<= 3", "steps >= 3", "ratio(conv, params) < 0.5"),
)
_CLAUSES = ("k == 3", "c_in >= 64", "policy and k == 3", "name == 'fc'", "matches(name, '*')", "k ==", "stride != 1")
_PATTERNS = ("*", "layer1*", "fc", "conv1", "stem.*", "[", "layer1.0.conv1")
_FILES = (
    *(
        "out.json",
        "out.csv",
        "out.md",
        "out.tex",
        "out.html",
        "out.txt",
        "out",
        "out.yaml",
        "out.bib",
        "out.py",
        "out.xml",
    ),
    *("out.sarif", "out.parquet", "out.jsonl", "out.svg", "out.pdf", "out.png", "out.docx", "tiny.yaml", "empty", "-"),
    *("flopcalc.yaml", "link.json", "loop", "folder/out.json", "no/such/out.json", "x" * 300 + ".json"),
)
_DTYPES = ("float32", "float16", "bfloat16", "float64", "int8", "float32=1.5e12", "tf32", "float8", "float32=nan")
# Values by metavar; it says what the option takes.
_POOLS: dict[str, Sequence[str]] = {
    "FILE": _FILES,
    "NAME|FILE": ("h200", "i9-10940x", "device.yaml", "device.yaml", "tiny.yaml", "H200", "raspberry-pi-5", "a100"),
    "NAME=VALUE": _SETTINGS,
    "NAME=VALUES": _SETTINGS,
    "A,B,...": _KINDS,
    "KIND": _KINDS,
    "LIMIT": _LIMITS,
    "CLAUSE": _CLAUSES,
    "CONDITION": (*_CLAUSES, *_LIMITS),
    "PATTERN": _PATTERNS,
    "DTYPE": _DTYPES,
    "DTYPE=FLOP/s": _DTYPES,
    "wNaN": ("w4a8", "w1a1", "w32a32", "w0a0", "w4", "w999a1", "W8A8"),
    "FIGURE": ("4.11G", "25.6M", "8.2", "4.1x10^9", "1,000", "0", "-1G", "4.11 GFLOPs", "9" * 31, "1x10^99"),
    "RANGE": ("8", "8,16", "16:64:16", "3,5", "1:3:1", "8:64:8", "14,28", "3x16x16", "1:1000:1", "same", "3x5"),
    "[NAME=]VALUES": ("1:4:1", "16,32", "width=0.25:1.5:0.25", "classes=1:100000:1", "input=32:64:32", "ghost,keep"),
    "'H = 32 h'": ("H = 32 h", "H = 32 h, W = 32 w", "H >= 32", "H = H", "H = 0 h", "Q = 3", "H = 9^9^9 h", "H = h/0"),
    "NAME[,NAME]": ("width", "input", "classes", "cin", "cout", "alpha", "batch", "width,input", "k", "alpha,beta"),
    "NAME,...": ("batch", "height,width", "batch,height,width", "width", "c_in", "nothing"),
    "NAME": ("macs", "flops", "fvcore", "thop", "forward", "encode", "fc", "layer1", "ptflops", "deepspeed", "flops2"),
    "N": ("1", "2", "0", "3", "16"),
    "ADDRESS": ("tcp://127.0.0.1:1", "nowhere", "127.0.0.1:99999", "processes"),
    "SOURCE": ("spconv", "ghost", "resnet", "tables", "nothing"),
    "SECONDS": ("1", "5", "0.001", "0", "-1", "1e400"),
}
_EVERYTHING = tuple(dict.fromkeys(text for pool in _POOLS.values() for text in pool)) + _OPERATORS + _NETWORKS
_PYTHON = """\
from torch import nn

class Net(nn.Sequential):
    def __init__(self, width=4):
        super().__init__(nn.Conv2d(3, width, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, 10))

def fails():
    raise RuntimeError("no weights")
"""
OPERATOR = "name: mine\nparts:\n  - conv: {op: conv, k: 1}\n  - relu: {op: depthwise}\n"
TARGETS = (
    "targets:\n  - {network: tiny.yaml, limits: [macs <= 1M]}\n  - {operator: ghost, cin: 8, limits: [macs >= 1]}\n"
)
DEVICE = (
    "name: mine\ntitle: Mine\nkind: cpu\npeaks: {float32: 1.0e+12}\nbandwidth: 1.0e+11\n"
    "memory: 1.0e+10\ncache: 1.0e+7\n"
)


def prepare(folder: Path) -> None:
    """The files that command lines name: good and bad ones, links, an empty file, a folder."""
    (folder / "tiny.yaml").write_text(TINY)
    (folder / "flopcalc.yaml").write_text(TARGETS)
    (folder / "net.py").write_text(_PYTHON)
    (folder / "mine.yaml").write_text(OPERATOR)
    (folder / "device.yaml").write_text(DEVICE)
    (folder / "bad.yaml").write_text("input: [3, 8\nlayers: x\n")
    (folder / "config.json").write_text('{"model_type": "bert", "hidden_size": 8')
    (folder / "empty").write_bytes(b"")
    (folder / "folder").mkdir()
    (folder / "link.json").symlink_to("linked.json")
    (folder / "linked.json").write_text("{}\n")
    (folder / "loop").symlink_to("loop")


def command_of(name: str) -> click.Command:
    """The click command of that name."""
    command: click.Command = import_module(f"flopcalc.cli.{name}").command
    return command


def _values(parameter: click.Parameter) -> st.SearchStrategy[str]:
    """Values for an option or argument: most of them fit, some are those of another option, some are hostile."""
    hostile = st.sampled_from(HOSTILE) | st.text(max_size=8)
    others = st.sampled_from(_EVERYTHING)
    metavar = parameter.metavar or (parameter.type.name if isinstance(parameter.type.name, str) else "")
    if isinstance(parameter.type, click.Choice):
        fitting: Sequence[str] = [str(choice) for choice in parameter.type.choices]
    elif metavar in _POOLS and metavar != "RANGE":
        fitting = _POOLS[metavar]
    elif metavar == "N[xN]":
        fitting = (*_SIZES, "same")
    elif metavar == "RANGE":
        fitting = (*_POOLS["RANGE"], *_SIZES)
    elif metavar == "float":
        fitting = ("0.001", "1", "1.5e12", "0", "-1")
    elif "OPERATOR" in metavar and "T" not in re.sub("OPERATOR|NETWORK", "", metavar).replace("TARGET", ""):
        fitting = _OPERATORS + (_NETWORKS if "NETWORK" in metavar or "TARGET" in metavar else ())
    elif metavar in ("NETWORK", "TARGET", "A", "B"):
        fitting = (*_NETWORKS, "resnet18 --replace spconv", "conv")
    elif "INPUT" in metavar.upper() or "CxHxW" in metavar:
        fitting = ("3x16x16", "3x8x8", "16", "3x16x16:float32", "x=3x8x8", "3x8x8:int64", "3x0x8", "3x9999999x9999999")
    else:
        fitting = _EVERYTHING
    # One draw that is uniform; `|` would draw the hostile ones far more often.
    kinds = {"fitting": st.sampled_from(list(fitting)), "other": others, "hostile": hostile}
    return st.sampled_from(["fitting"] * 16 + ["other"] + ["hostile"] * 2).flatmap(kinds.__getitem__)


@st.composite
def command_lines(draw: st.DrawFn, name: str) -> list[str]:
    """The words behind `flopcalc NAME`: those of the command's example or arguments of its kind, and options."""
    command = command_of(name)
    words: list[str] = []
    arguments = [one for one in command.params if isinstance(one, click.Argument)]
    options = [one for one in command.params if isinstance(one, click.Option)]
    example = shlex.split((command.epilog or "").partition(":")[2])[2:]
    if draw(st.booleans()):
        words += example
    else:
        for argument in arguments:
            most = 3 if argument.nargs < 0 else 1
            least = int(argument.required)
            words += draw(st.lists(_values(argument), min_size=least, max_size=most))
        if required := [one for one in options if one.required]:
            words += [text for one in required for text in (one.opts[0], draw(_values(one)))]
        if "--cin" in {opt for one in options for opt in one.opts} and draw(st.booleans()):
            words += ["--cin", draw(st.sampled_from(["8", "64"]))]
    for option in draw(st.lists(st.sampled_from(options), max_size=draw(st.sampled_from([1, 1, 2, 3, 6])))):
        flag = draw(st.sampled_from([*option.opts, *option.secondary_opts]))
        if option.is_flag:
            words.append(flag)
        else:
            value = draw(_values(option))
            words += [f"{flag}={value}"] if flag.startswith("--") and draw(st.booleans()) else [flag, value]
    if draw(st.sampled_from([*[False] * 24, True])):
        words.insert(draw(st.integers(0, len(words))), draw(st.sampled_from(HOSTILE)))
    return words


def state(folder: Path) -> dict[str, Any]:
    """The files of a folder and below with their contents, links with what they point to."""
    found: dict[str, Any] = {}
    for path in sorted(folder.rglob("*")):
        if "__pycache__" in path.parts:
            continue
        name = str(path.relative_to(folder))
        found[name] = f"-> {path.readlink()}" if path.is_symlink() else path.read_bytes() if path.is_file() else None
    return found


def restore(folder: Path, before: dict[str, Any]) -> None:
    """Make the files of a folder what they were."""
    now = state(folder)
    for name in sorted(set(now) - set(before), reverse=True):
        path = folder / name
        path.rmdir() if now[name] is None else path.unlink()
    for name, content in before.items():
        if now.get(name) != content:
            path = folder / name
            if isinstance(content, bytes):
                path.unlink(missing_ok=True)
                path.write_bytes(content)
            elif isinstance(content, str):
                path.unlink(missing_ok=True)
                path.symlink_to(content.removeprefix("-> "))
            else:
                path.mkdir(exist_ok=True)
