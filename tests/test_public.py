"""The public face: what `flopcalc` offers, with which types, and what its results say of themselves."""

import copy
import doctest
import multiprocessing
import pickle
import re
import subprocess
import sys
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from helpers import fresh

import flopcalc
from flopcalc import Evaluation, FlopcalcError, layer, network
from flopcalc.cost.kinds import KINDS

_FUNCTIONS = (
    *("bench", "count", "formula", "layer", "memory", "network", "progress", "register_kernel"),
    *("replace", "roofline", "solve", "sweep", "training"),
)
PUBLIC = (
    *("Bench", "Cost", "Evaluation", "FlopcalcError", "Memory", "Network", "Roofline", "Solution", "Sweep", "Training"),
    *_FUNCTIONS,
)


def test_dir_and_help_show_the_public_names() -> None:
    """And nothing else; help() needs no torch."""
    assert set(dir(flopcalc)) == {*PUBLIC, "__version__"}
    page = "print(pydoc.plain(pydoc.render_doc(flopcalc)))"
    done = fresh(f"import sys; sys.modules['torch'] = None; import flopcalc, pydoc; {page}")
    assert done.code == 0, done.err
    functions = done.out.partition("\nFUNCTIONS\n")[2].partition("\nDATA\n")[0]
    assert re.findall(r"^    (\w+)\(", functions, flags=re.MULTILINE) == list(_FUNCTIONS)
    assert "torch" not in fresh("import sys, flopcalc; dir(flopcalc); flopcalc.count; print(*sys.modules)").out.split()


def test_an_unknown_name_is_an_attribute_error() -> None:
    """As for any module."""
    with pytest.raises(AttributeError, match="no attribute 'leyer'"):
        _ = flopcalc.leyer  # type: ignore[attr-defined]


def test_a_user_sees_real_types(tmp_path: Path) -> None:
    """`mypy --strict` on a file of a user: what is revealed, and what is refused."""
    pytest.importorskip("mypy")
    source = tmp_path / "user.py"
    source.write_text(
        "import flopcalc\n"
        "reveal_type(flopcalc.layer('ghost', 64).cost.macs)\n"
        "reveal_type(flopcalc.layer('ghost', 64).ratio('macs'))\n"
        "reveal_type(flopcalc.network('resnet50', classes=10, input=(3, 160, 160)).params)\n"
        "reveal_type(flopcalc.sweep('conv', c_in='16:64:16', k=[3, 5]).infeasible)\n"
        "flopcalc.layer('ghost', '64')\n"
        "flopcalc.layer('ghost', 64, stride='2')\n"
        "flopcalc.network('resnet50', batch='2')\n"
        "flopcalc.layr('ghost', 64)\n"
        "reveal_type(flopcalc.solve('sic', 'b', 'ratio(conv) < 1', c_in=64).exact)\n"
        "flopcalc.solve('sic', 'b', 'ratio(conv) < 1', minimise=3)\n"
        "reveal_type(flopcalc.roofline('resnet50', device='h100').bound_s)\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(tmp_path / "cache"), str(source)],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    lines = done.stdout.splitlines()
    revealed = [re.findall(r'"(.*)"', line)[0] for line in lines if "Revealed type" in line]
    found = [text.replace("builtins.", "") for text in revealed]
    assert found == ["int", "fractions.Fraction | None", "int", "int", "bool", "float"]
    wrong = [int(line.split(":")[1]) for line in lines if ": error:" in line]
    assert wrong == [6, 7, 8, 9, 11], done.stdout


def test_options_are_keywords() -> None:
    """`network` takes them like `layer`; the input as a tuple, text, a list or one number."""
    small = network("mobilenet_v2", width=0.75, input=(3, 160, 160), batch=2)
    assert small.options["width"] == Fraction(3, 4)
    assert (small.input_shape, small.batch) == ((3, 160, 160), 2)
    for same in ("3x160x160", [3, 160, 160], 160):
        assert network("mobilenet_v2", width="0.75", input=same, batch=2).macs == small.macs
    # 2048 x 1000 weights and 1000 biases against 2048 x 10 and 10.
    assert network("resnet50").params - network("resnet50", classes=10).params == 2049 * 990


@pytest.mark.parametrize(
    "wrong",
    [
        {"input": "3x"},
        {"input": (3, "a", 4)},
        {"input": 1.5},
        {"input": (3, 224)},
        {"input": ["3x8x8", "3x8x8"]},
        {"batch": 0},
        {"batch": "2"},
        {"classes": "many"},
        {"klasses": 10},
    ],
    ids=str,
)
def test_wrong_values_are_our_errors(wrong: dict[str, Any]) -> None:
    """One line and a hint each."""
    with pytest.raises(FlopcalcError) as caught:
        network("resnet50", **wrong)
    assert caught.value.message
    assert caught.value.hint
    assert "\n" not in caught.value.message + caught.value.hint


def test_the_text_of_an_error_has_the_hint() -> None:
    """So that a traceback says what to do; and an error survives a trip between processes."""
    with pytest.raises(FlopcalcError) as caught:
        layer("gohst", 64)
    error = caught.value
    assert str(error) == f"{error.message}\nhint: {error.hint}"
    assert "ghost" in str(error)
    again = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own
    assert (again.code, again.message, again.hint, again.exit_code) == (
        error.code,
        error.message,
        error.hint,
        error.exit_code,
    )


def _results() -> list[Any]:
    e = layer("spconv", 256, alpha="1/4")
    found = [e, e.cost, network("resnet50"), network("resnet1202_cifar")]
    torch = pytest.importorskip("torch")
    model = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3), torch.nn.ReLU())
    found.append(flopcalc.count(model, (1, 3, 8, 8)))
    return found


def test_all_results_offer_the_same_kinds() -> None:
    """As total(kind) and as properties; an unknown kind is our error, with a suggestion."""
    for one in _results():
        for kind in KINDS:
            assert one.total(kind) == getattr(one, kind)
            assert type(one.total(kind)) is int
        assert one.total("flops") == 2 * one.macs + one.adds + one.muls + one.other
        with pytest.raises(FlopcalcError, match="unknown kind 'mac'") as caught:
            one.total("mac")
        assert "macs" in caught.value.hint


def test_a_repr_is_short() -> None:
    """Two lines of 120 columns at most, whatever the size of the network."""
    torch = pytest.importorskip("torch")
    replaced = flopcalc.replace(torch.nn.Sequential(*(torch.nn.Conv2d(8, 8, 3) for _ in range(50))), "spconv")
    for one in (*_results(), replaced, network("resnet50").layers[0]):
        assert len(repr(one)) <= 240
        assert len(repr(one).splitlines()) <= 2
    assert "25,557,032" in repr(network("resnet50"))


def test_numpy_integers_are_integers() -> None:
    """In sizes, options, batches and inputs."""
    np: Any = pytest.importorskip("numpy")
    plain = layer("ghost", 64, 128, k=3, hw=(14, 28), stride=2, batch=3, s=4)
    i = np.int64
    same = layer("ghost", i(64), i(128), k=i(3), hw=(i(14), i(28)), stride=i(2), batch=i(3), s=i(4))
    assert isinstance(same, Evaluation)
    assert same.cost == plain.cost
    assert same.geometry == plain.geometry
    shape = tuple(np.array([3, 96, 96]))
    net = network("resnet50", classes=np.int32(10), input=shape, batch=np.uint8(2))
    assert net.macs == network("resnet50", classes=10, input=96, batch=2).macs
    assert type(net.macs) is int


def test_our_version_is_the_packages() -> None:
    """One place."""
    from importlib.metadata import version

    assert flopcalc.__version__ == version("flopcalc")


def test_the_example_of_the_package_is_true() -> None:
    """The docstring that help(flopcalc) shows."""
    found = doctest.testmod(flopcalc)
    assert found.attempted >= 3
    assert not found.failed


def test_results_go_to_other_processes() -> None:
    """Pickled and copied, with their operators; a copy costs the same."""
    for one in (layer("compconv", 64), network("resnet18"), network("resnet18").layers[0], layer("ghost", 64).cost):
        for again in (pickle.loads(pickle.dumps(one)), copy.deepcopy(one)):  # noqa: S301 - our own
            assert repr(again) == repr(one)
    assert pickle.loads(pickle.dumps(layer("ghost", 64).operator)) is layer("ghost", 64).operator  # noqa: S301


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_each_kind_of_result_goes_to_another_process(method: str) -> None:
    """Costs, networks, memory, times, solutions, sweeps and closed forms come back from a process as they were."""
    results = [
        layer("ghost", 64),
        network("resnet18"),
        flopcalc.memory("resnet18"),
        flopcalc.roofline("resnet18", device="h200"),
        flopcalc.training("resnet18"),
        flopcalc.solve("mobilenet_v2", "width", "macs <= 300M"),
        flopcalc.sweep("conv", c_in=[8, 16]),
        flopcalc.formula("resnet18"),
        flopcalc.formula("ghost"),
    ]
    with multiprocessing.get_context(method).Pool(1) as pool:
        again = pool.map(copy.copy, results)
    assert list(map(repr, again)) == list(map(repr, results))
    assert again[-2].at(N=2, H=64, W=64) == results[-2].at(N=2, H=64, W=64)  # type: ignore[attr-defined]


def test_the_form_of_a_module_goes_to_another_process(tmp_path: Path) -> None:
    """It kept the tensors of the forward, which have no values."""
    pytest.importorskip("torch")
    (tmp_path / "net.py").write_text(
        "from torch import nn\n\ndef net():\n    return nn.Sequential(nn.Conv2d(3, 8, 3))\n"
    )
    form = flopcalc.formula(f"{tmp_path / 'net.py'}:net", input=(3, 32, 32))
    again = pickle.loads(pickle.dumps(form))  # noqa: S301 - our own
    assert again.at(N=2, H=16, W=16) == form.at(N=2, H=16, W=16)


def test_a_script_that_sweeps_while_it_is_imported(tmp_path: Path) -> None:
    """The processes of a sweep import the script. One error says so, and theirs do not come between."""
    script = tmp_path / "script.py"
    script.write_text("import flopcalc\nflopcalc.sweep('conv', c_in=range(8, 80, 8), jobs=2)\n")
    done = subprocess.run([sys.executable, script], check=False, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert done.stderr.count("Traceback") == 1
    assert done.stderr.splitlines()[-1].startswith("hint: in a script, call sweep(jobs=...) below `if __name__")


def test_a_script_from_standard_input_that_sweeps_in_processes() -> None:
    """They import the script, which is not in a file; the hint was to add a guard that was there."""
    script = "import flopcalc\nif __name__ == '__main__':\n    flopcalc.sweep('conv', c_in=[8, 16], jobs=2)\n"
    done = subprocess.run([sys.executable, "-"], check=False, input=script, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert done.stderr.count("Traceback") == 1
    assert "and '<stdin>' is not a file\nhint: save the script in a file" in done.stderr


def test_a_result_with_an_operator_that_is_not_installed_here() -> None:
    """It had None for an operator, and failed where it was used."""
    with pytest.raises(FlopcalcError, match="the operator 'ghosu', which this one does not have"):
        pickle.loads(pickle.dumps(layer("ghost", 64)).replace(b"ghost", b"ghosu"))  # noqa: S301 - our own


def test_a_path_is_a_name(tmp_path: Path) -> None:
    """pathlib's paths are names too; other types are errors of ours."""
    net = tmp_path / "net.yaml"
    net.write_text("input: [3, 8, 8]\nlayers:\n- conv: {op: conv, out: 4}\n")
    assert network(net).params == network(str(net)).params == 3 * 4 * 9
    for wrong in (5, None, b"resnet18", ["resnet18"]):
        for call in (network, lambda name: layer(name, 64)):
            with pytest.raises(FlopcalcError, match="not a name or a path"):
                call(wrong)  # type: ignore[arg-type]


def test_options_of_a_result_can_be_given_again() -> None:
    """Those that a rule decided included, and lists as arrays."""
    np: Any = pytest.importorskip("numpy")
    for name in ("compconv", "attention", "mixconv"):
        e = layer(name, 64)
        options: dict[str, Any] = e.options
        assert layer(name, 64, **options).cost == e.cost
    assert layer("mixconv", 64, kernels=np.array([3, 5])).cost == layer("mixconv", 64, kernels=(3, 5)).cost


@pytest.mark.parametrize("kind", [["macs"], {}, None, 3, "mac"], ids=str)
def test_a_kind_of_any_type_is_our_error(kind: Any) -> None:
    """Unhashable ones included."""
    for one in (layer("ghost", 64), layer("ghost", 64).cost, network("resnet18")):
        with pytest.raises(FlopcalcError, match="unknown kind"):
            one.total(kind)


def test_bytes_are_not_a_shape() -> None:
    """Although they are a sequence of integers."""
    with pytest.raises(FlopcalcError, match="not a shape"):
        network("resnet18", input=b"3")


def test_build_network_takes_described_networks_only() -> None:
    """What else it is given, the error says."""
    torch = pytest.importorskip("torch")
    from flopcalc.pytorch import build_network, counted_network

    counted = counted_network(torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3)), (3, 8, 8))
    for wrong in ("resnet18", None, layer("ghost", 64), counted):
        with pytest.raises(FlopcalcError):
            build_network(wrong)  # type: ignore[arg-type]


def test_an_operator_file_where_a_network_is_expected(tmp_path: Path) -> None:
    """The error was about the first key that networks do not have."""
    (tmp_path / "mine.yaml").write_text("derived: {mid: c_in}\nparts:\n  - reduce: {op: conv, c_out: mid}\n")
    with pytest.raises(FlopcalcError, match=r"line 2: this is an operator, with parts; a network has layers"):
        network(str(tmp_path / "mine.yaml"))
