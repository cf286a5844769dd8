"""Real modules as targets of the command line: how they are loaded, and what hostile ones do."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")

from helpers import Runner, define_kernels, fresh, import_torchvision

NETS = '''
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self, width=8, bias=True, scale=0.5, name="n"):
        super().__init__()
        assert type(width) is int and type(bias) is bool and type(scale) is float and type(name) is str
        self.conv = nn.Conv2d(3, width, 3, bias=bias)
    def forward(self, x):
        return self.conv(x).relu()

class Text(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(100, 16)
        self.linear = nn.Linear(16, 2)
    def forward(self, ids, time=None, *, context=None):
        out = self.linear(self.embedding(ids))
        return out if context is None else out + context

class Makers:
    @staticmethod
    def make():
        return Net(4)

def make(width):
    return Net(width)

def positional(width, /):
    return Net(width)

net = Net(4)
number = 42
def nothing(): return None
def pair(): return Net(), "transform"
def raises(): raise ValueError("bad\\nwidth \\x1b[31m" + "x" * 5000)
def leaves():
    import sys
    sys.exit(3)
def recursion(): return recursion()
def missing(): import a_package_that_is_not_there
class Mute(Exception):
    def __str__(self): raise RuntimeError("no")
def mute(): raise Mute
class Base(BaseException): pass
def base(): raise Base("deep")
class Reads(nn.Module):
    def forward(self, x): return x if x.sum().item() > 0 else -x
class Fails(nn.Module):
    def forward(self, x): return self.absent(x)
async def later(): return Net()
class Leaves(nn.Module):
    def forward(self, x): raise SystemExit
class Empty(nn.Module):
    def forward(self, x): return x
class FromValues(nn.Module):
    """Reads values in its constructor: impossible on the meta device."""
    def __init__(self):
        super().__init__()
        rates = [rate.item() for rate in torch.linspace(0, 1, 3)]
        self.layers = nn.Sequential(*(nn.Conv2d(3, 3, 1) for _ in rates))
        # Nothing large is kept.
        assert self.layers[0].weight.is_meta and isinstance(self.layers[0].weight, nn.Parameter)
        self.register_buffer("none", None)
    def forward(self, x): return self.layers(x)
class ReadsItsWeights(nn.Module):
    """Reads what it has registered: possible only for real."""
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 1)
        self.factor = self.conv.weight.sum().item()
    def forward(self, x): return self.conv(x)
'''


@pytest.fixture
def nets(tmp_path: Path) -> str:
    """A file of models."""
    path = tmp_path / "nets.py"
    path.write_text(NETS)
    return str(path)


def _model(run: Runner, target: str, *options: str) -> dict[str, Any]:
    done = run("model", target, "--format", "json", *options)
    assert done.code == 0, done.err
    data: dict[str, Any] = json.loads(done.out)
    return data


def test_inputs_of_all_kinds(nets: str, run: Runner) -> None:
    """Token ids, several inputs, scalars, keywords."""
    data = _model(run, f"{nets}:Text", "--input", "77:int64", "--batch", "2")
    assert (data["macs"], data["input"], data["inputs"], data["batch"]) == (2 * 77 * 32, [77], ["77:int64"], 2)
    assert [layer["type"] for layer in data["layers"]] == ["embedding", "linear"]
    several = ("--input", "77:int64", "--input", "scalar:float32", "--input", "context=77x2")
    data = _model(run, f"{nets}:Text", *several)
    assert data["inputs"] == ["77:int64", "scalar:float32", "context=77x2"]
    assert data["adds"] == 77 * 2 + 77 * 2
    wrong = run("model", f"{nets}:Text", "--input", "77")
    assert wrong.code == 2
    assert "77:int64" in wrong.err.splitlines()[1]
    wrong = run("model", f"{nets}:Net", "--input", "4x32x32")
    assert "the forward pass of conv failed" in wrong.err
    assert "takes (x)" in wrong.err
    # What most other counters ask for.
    wrong = run("model", f"{nets}:Net", "--input", "1x3x32x32")
    assert "the input was --input 1x3x32x32, one sample without the batch" in wrong.err
    wrong = run("model", f"{nets}:Text", "--input", "77", "--input", "context=77x2")
    assert "was --input 77 --input context=77x2, each is one sample without the batch" in wrong.err


def test_what_a_target_may_be(nets: str, run: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    """A class, an instance, a function, an attribute of a class; by file or by module of this folder."""
    image = ("--input", "3x32x32")
    macs = 30 * 30 * 27
    for name, width in (("Net", 8), ("net", 4), ("Makers.make", 4)):
        assert _model(run, f"{nets}:{name}", *image)["macs"] == width * macs
    assert _model(run, f"{nets}:make", "--set", "width=5", *image)["macs"] == 5 * macs
    settings = ("--set", "width=6", "--set", "bias=false", "--set", "scale=1/4", "--set", "name=text")
    data = _model(run, f"{nets}:Net", *settings, *image)
    assert (data["macs"], data["adds"]) == (6 * macs, 0)
    assert data["options"] == {"width": 6, "bias": False, "scale": 0.25, "name": "text"}
    monkeypatch.chdir(Path(nets).parent)
    assert _model(run, "nets:Net", *image)["macs"] == 8 * macs
    assert _model(run, "nets.py:Net", *image)["macs"] == 8 * macs
    (Path(nets).parent / "models").mkdir()
    (Path(nets).parent / "models" / "small.py").write_text("from nets import Net\n")
    assert _model(run, "models/small.py:Net", *image)["macs"] == 8 * macs
    assert _model(run, "torch.nn:ReLU", *image)["macs"] == 0
    assert _model(run, f"{nets}:Empty", *image)["layers"] == []
    assert run("model", f"{nets}:Empty", *image, "--by", "type", "--replace", "spconv").code == 0


def test_constructors_that_read_values(nets: str, run: Runner) -> None:
    """Built on real tensors if the meta device does not work."""
    assert _model(run, f"{nets}:FromValues", "--input", "3x8x8")["macs"] == 3 * 9 * 64
    assert _model(run, f"{nets}:ReadsItsWeights", "--input", "3x8x8")["macs"] == 9 * 64


# name: (target, options, words of the error, words of the hint); {} is the file of models.
HOSTILE: dict[str, tuple[str, tuple[str, ...], str, str]] = {
    "raises": ("{}:raises", (), "ValueError: bad width", "--debug"),
    "exits": ("{}:leaves", (), "sys.exit", "factory"),
    "recursion": ("{}:recursion", (), "RecursionError", "--debug"),
    "needs arguments": ("{}:make", (), "needs width", "--set width="),
    "needs by position": ("{}:positional", (), "needs width", "without arguments"),
    "no such setting": ("{}:Net", ("--set", "widht=3"), "does not take 'widht'", "width"),
    "setting of an instance": ("{}:net", ("--set", "width=3"), "already built", "function"),
    "not a module": ("{}:number", (), "an int, not an nn.Module", "nn.Module"),
    "returns none": ("{}:nothing", (), "returned None", "return an nn.Module"),
    "returns a pair": ("{}:pair", (), "returned a tuple", "inside"),
    "missing attribute": ("{}:Nett", (), "no 'Nett'", "Net"),
    "missing inner attribute": ("{}:Makers.mak", (), "no 'mak'", "make"),
    "missing dependency": ("{}:missing", (), "a_package_that_is_not_there", "--debug"),
    "unprintable error": ("{}:mute", (), "cannot be read", "--debug"),
    "base exception": ("{}:base", (), "Base: deep", "--debug"),
    "reads values": ("{}:Reads", ("--on", "meta"), "item", "on the CPU"),
    "fails in the forward": ("{}:Fails", (), "has no attribute 'absent' (nets.py, line ", "--debug"),
    "returns a coroutine": ("{}:later", (), "returned a coroutine", "return an nn.Module"),
    "leaves in the forward": ("{}:Leaves", (), "SystemExit", "--debug"),
    "missing file": ("absent.py:Net", (), "does not exist", "path"),
    "missing module": ("nosuchmodule:Net", (), "'nosuchmodule'", "file"),
    "near module": ("torc.nn:Linear", (), "'torc'", "torch"),
    "near submodule": ("torch.optin:Adam", (), "'torch.optin'", "torch.optim"),
    "no attribute given": ("{}", (), "does not name the model in the file", ":Net"),
    "dots only": ("torchvision.models.resnet50", (), "unknown network", "torchvision.models:resnet50"),
    "unknown model of a hub": ("torchvision:resnet5", (), "'resnet5'", "resnet50"),
    "batch": ("{}:Net", ("--batch", "0"), "--batch is '0'", "--batch 1"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_targets(name: str, nets: str, run: Runner) -> None:
    """One line that says what is wrong, one that says what to do; exit code 2; nothing on stdout."""
    if "torchvision:" in HOSTILE[name][0]:
        import_torchvision()
    target, options, says, hints = HOSTILE[name]
    done = run("model", target.format(nets), "--input", "3x32x32", *options)
    assert (done.code, done.out) == (2, ""), done.err
    error, hint = done.err.splitlines()
    assert error.startswith("error: ")
    assert says in error
    assert len(error) < 500
    assert error.isprintable()
    assert hint.startswith("hint:")
    assert hints in hint


def test_the_line_of_an_error_is_shown(nets: str, run: Runner) -> None:
    """The last line of the user's own code."""
    line = next(number for number, text in enumerate(NETS.splitlines(), 1) if text.startswith("def raises"))
    assert f"(nets.py, line {line})" in run("model", f"{nets}:raises", "--input", "3").err


BROKEN = {
    "syntax": ("class Net(:\n    pass\n", "line 1", "valid Python"),
    "import": ("import a_package_that_is_not_there\n", "a_package_that_is_not_there", "install"),
    "relative": ("from .other import Net\n", "relative import", "package.module:NAME"),
    "exit": ("import sys\nsys.exit('usage: net')\n", "sys.exit", "__main__"),
    "parser": ("import argparse\nargparse.ArgumentParser().parse_args(['--x'])\n", "sys.exit", "__main__"),
    "error": ("\n1 / 0\n", "ZeroDivisionError: division by zero (broken.py, line 2)", "fix it"),
    "null bytes": ("x = 1\0\n", "null bytes", "valid Python"),
    "recursion": ("def f(): f()\nf()\n", "RecursionError", "fix it"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_files(name: str, tmp_path: Path, run: Runner) -> None:
    """Errors while a file is imported."""
    source, says, hints = BROKEN[name]
    (tmp_path / "broken.py").write_text(source)
    done = run("model", str(tmp_path / "broken.py") + ":Net", "--input", "3x8x8")
    assert (done.code, done.out) == (2, "")
    *_, error, hint = done.err.splitlines()
    assert says in error
    assert hints in hint


def test_no_input_shape(nets: str, run: Runner) -> None:
    """An error before anything is loaded; a described network takes only one plain shape."""
    done = run("model", f"{nets}:Net")
    assert done.code == 2
    assert "needs the shape of its input" in done.err
    assert "--input 3x224x224" in done.err
    for wrong in (("--input", "3x32x32:int64"), ("--input", "3x32x32", "--input", "3"), ("--input", "x=3x32x32")):
        done = run("model", "resnet50", *wrong)
        assert done.code == 2
        assert "a described network takes one" in done.err
    twice = run("model", f"{nets}:Net", "--input", "x=3x8x8", "--input", "x=3x8x8")
    assert "x= is given twice" in twice.err


def test_interrupts_go_through(nets: str, run: Runner) -> None:
    """Ctrl-C while a factory runs is not an error of the factory."""
    Path(nets).write_text("def make(): raise KeyboardInterrupt\n")
    assert run("model", f"{nets}:make", "--input", "3").code == 130
    Path(nets).write_text("raise KeyboardInterrupt\n")
    assert run("model", f"{nets}:make", "--input", "3").code == 130


def test_debug_shows_the_users_traceback(nets: str, run: Runner) -> None:
    """With the cause."""
    done = run("model", f"{nets}:raises", "--input", "3", "--debug")
    assert done.code == 2
    assert "ValueError: bad width" in done.err
    assert "direct cause" in done.err


NOISY = """
import os, subprocess, sys, logging
print("while imported")
sys.__stdout__.write("by the first stream")
os.write(1, b"by the descriptor")
subprocess.run(["echo", "by a child"])
logging.basicConfig(stream=sys.stdout, level=0)
from torch import nn
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        print("while built")
        self.conv = nn.Conv2d(3, 3, 1)
    def forward(self, x):
        print("while run")
        return self.conv(x)
"""


def test_json_stays_json(tmp_path: Path) -> None:
    """Everything that the code prints, in any way, goes to stderr."""
    path = tmp_path / "noisy.py"
    path.write_text(NOISY)
    done = fresh(
        "import sys; from flopcalc.cli.main import main; "
        f"sys.exit(main(['model', {str(path)!r} + ':Net', '--input', '3x8x8', '--format', 'json']))"
    )
    assert done.code == 0, done.err
    assert json.loads(done.out)["macs"] == 9 * 64
    for text in (
        "while imported",
        "by the first stream",
        "by the descriptor",
        "by a child",
        "while built",
        "while run",
    ):
        assert text in done.err


def test_nothing_is_left_behind(nets: str, run: Runner) -> None:
    """The search path, the command line, standard output and the modules of the folder are as before."""
    folder = Path(nets).parent
    (folder / "helper_of_nets.py").write_text("WIDTH = 4\n")
    Path(nets).write_text(
        "import helper_of_nets, sys\nfrom torch import nn\nassert len(sys.argv) == 1\n"
        "def make(): return nn.Conv2d(3, helper_of_nets.WIDTH, 1)\n"
    )
    before = list(sys.path), sys.argv, sys.stdout, set(sys.modules)
    assert _model(run, f"{nets}:make", "--input", "3x2x2")["macs"] == 4 * 3 * 4
    assert (list(sys.path), sys.argv, sys.stdout) == before[:3]
    assert not {name for name in set(sys.modules) - before[3] if "nets" in name}
    # Another version of a neighbour of the same name is another module.
    other = folder / "other"
    other.mkdir()
    (other / "helper_of_nets.py").write_text("WIDTH = 7\n")
    (other / "nets.py").write_text(Path(nets).read_text())
    assert _model(run, f"{other / 'nets.py'}:make", "--input", "3x2x2")["macs"] == 7 * 3 * 4


def test_a_file_may_be_called_as_a_package(tmp_path: Path, run: Runner) -> None:
    """`timm.py` that imports torch is that file."""
    (tmp_path / "timm.py").write_text("from torch import nn\nNet = nn.Identity\n")
    assert _model(run, f"{tmp_path / 'timm.py'}:Net", "--input", "3")["macs"] == 0


def test_missing_hubs_and_torch(nets: str) -> None:
    """Exit code 3 and the pip command."""
    for hidden, target, package in (("timm", "timm:resnet18", "timm"), ("torch", f"{nets}:Net", "torch")):
        done = fresh(
            f"import sys\nsys.modules[{hidden!r}] = None\nfrom flopcalc.cli.main import main\n"
            f"sys.exit(main(['model', {target!r}, '--input', '3x8x8']))"
        )
        assert done.code == 3
        error, hint = done.err.strip().splitlines()
        assert "not installed" in error
        assert f'pip install "{package}' in hint


def test_torchvision_with_another_torch() -> None:
    """Its missing operators are declared when it is named, and not for others."""
    source = "import sys; from flopcalc.cli.main import main; sys.exit(main({!r}))"
    import_torchvision()
    done = fresh(source.format(["model", "torchvision:resnet18", "--input", "3x64x64", "--format", "json"]))
    assert done.code == 0, done.err
    assert json.loads(done.out)["params"] == 11_689_512


def test_backbones_come_without_weights(run: Runner) -> None:
    """A segmentation network loads nothing from anywhere; torchvision prints 35,322,218 parameters for it."""
    import_torchvision()
    data = _model(run, "torchvision:fcn_resnet50", "--input", "3x64x64", "--set", "aux_loss=true")
    assert data["params"] == 35_322_218
    assert "not used" not in " ".join(data["notes"])


def test_strict_and_the_list_of_what_was_not_counted(tmp_path: Path, run: Runner) -> None:
    """Listed in JSON and in the table; with --strict the result is written, and the exit code is 1."""
    define_kernels()
    (tmp_path / "odd.py").write_text(
        "import torch\nfrom torch import nn\nclass Net(nn.Module):\n"
        "    def forward(self, x):\n"
        "        own = torch.ops.flopcalctest\n"
        "        return own.blend(own.scan(own.scan(x)))\n"
    )
    target = (f"{tmp_path / 'odd.py'}:Net", "--input", "3x8x8")
    expected = [
        {"op": "flopcalctest.scan", "module": "(model)", "count": 2},
        {"op": "flopcalctest.blend", "module": "(model)", "count": 1},
    ]
    assert _model(run, *target)["uncounted"] == expected
    table = run("model", *target)
    assert table.code == 0
    assert "flopcalctest.scan in (model), 2 times" in table.out
    assert "flopcalctest.blend in (model), once" in table.out
    strict = run("model", *target, "--strict")
    assert strict.code == 1
    assert strict.out == table.out
    assert "flopcalctest.scan in (model)" in strict.err.splitlines()[0]
    assert run("model", "torchvision:resnet18", "--input", "3x64x64", "--strict").code == 0
    assert run("model", "resnet50", "--strict").code == 0
