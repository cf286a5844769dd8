"""`flopcalc formula NETWORK`, `diff --symbolic`, and locked closed forms of networks."""

import json
import math
from pathlib import Path
from typing import Any

import pytest
from helpers import TINY, Runner

from flopcalc import FlopcalcError, formula, network
from flopcalc.cost.kinds import KINDS

CALLS: dict[str, Any] = {"ceil": math.ceil, "floor": math.floor, "max": max, "min": min}


def test_the_contract(run: Runner) -> None:
    """The keys of flopcalc/formula/2, and expressions that give the cost at another size."""
    done = run("formula", "resnet18", "--format", "json")
    data = json.loads(done.out)
    assert (done.code, data["schema"], data["target"]) == (0, "flopcalc/formula/2", "resnet18")
    assert data["symbols"] == {"N": "batch", "H": "height", "W": "width"}
    assert set(data["cost"]) == set(KINDS)
    assert (data["valid"], data["fixed"]) == ([], [])
    assert len(data["checked_at"]) >= 3
    expected = network("resnet18", input=(3, 97, 161), batch=3)
    for kind in KINDS:
        found = eval(data["cost"][kind]["python"], dict(CALLS), {"N": 3, "H": 97, "W": 161})  # noqa: S307 - our text
        assert found == expected.total(kind)
    exact = data["cost"]["macs"]["exact"].replace("^", "**")
    assert eval(exact, dict(CALLS), {"N": 3, "H": 97, "W": 161}) == expected.macs  # noqa: S307 - our text


def test_conditions_are_shown(run: Runner) -> None:
    data = json.loads(run("formula", "vgg16", "--format", "json").out)
    assert [one["condition"] for one in data["valid"]] == ["H >= 32", "W >= 32"]
    assert all(one["why"] == "features.30" for one in data["valid"])
    assert "H >= 32: features.30" in run("formula", "vgg16").out


def test_assumptions_give_the_polynomial(run: Runner) -> None:
    done = run("formula", "resnet50", "--assume", "H = 32 h, W = 32 w")
    assert "83410944*N*h*w + 2048000*N" in done.out
    data = json.loads(run("formula", "resnet50", "--assume", "H = W", "--format", "json").out)
    assert list(data["symbols"]) == ["N", "W"]


def test_a_replaced_network_has_a_ratio_and_its_limit(run: Runner) -> None:
    data = json.loads(run("formula", "resnet50", "--replace", "compconv", "--format", "json").out)
    plain, replaced = network("resnet50").macs, data["ratio"]["macs"]
    assert len(data["replaced"]) == 16
    assert replaced["at_reference"] == pytest.approx(0.6749, abs=1e-4)
    # The classifier, whose cost does not grow, is all that is between the ratio and its limit.
    top, bottom = map(int, replaced["limit"].split("/"))
    large = 10**6
    assert top / bottom == pytest.approx(replaced["limit_value"])
    grown = eval(data["cost"]["macs"]["python"], dict(CALLS), {"N": 1, "H": 32 * large, "W": 32 * large})  # noqa: S307
    assert grown / (83410944 * large**2 + 2048000) == pytest.approx(top / bottom, rel=1e-9)
    assert plain == 83410944 * 49 + 2048000


def test_width_is_the_axis_next_to_height_and_else_the_option(run: Runner) -> None:
    option = json.loads(run("formula", "mobilenet_v2", "--vary", "width", "--format", "json").out)
    axes = json.loads(run("formula", "mobilenet_v2", "--vary", "height,width", "--format", "json").out)
    assert option["symbols"] == {"width": "option width"}
    assert axes["symbols"] == {"H": "height", "W": "width"}
    assert "input.width" in option["notes"][0]
    assert "set.width" in axes["notes"][0]


@pytest.mark.parametrize("per", ["stage", "layer"])
def test_parts(run: Runner, per: str) -> None:
    data = json.loads(run("formula", "resnet18", "--per", per, "--format", "json").out)
    assert sum(one["share"] for one in data["parts"]) == pytest.approx(1)
    assert len(data["parts"]) == (6 if per == "stage" else 70 - 1)


def test_latex_and_python(run: Runner, tmp_path: Path) -> None:
    latex = run("formula", "resnet50", "--as", "latex").out
    assert latex.count(r"\begin{align}") == latex.count(r"\end{align}") == 1
    assert r"\left\lceil \frac{H}{2} \right\rceil" in latex
    assert latex.count(r"\bigl(") == latex.count(r"\bigr)")
    path = tmp_path / "cost.py"
    assert run("formula", "resnet50", "--as", "python", "-o", str(path)).code == 0
    space: dict[str, Any] = {}
    exec(path.read_text(), space)  # noqa: S102 - our own text
    assert space["macs"](N=2, H=224, W=224) == 2 * network("resnet50").macs


@pytest.mark.parametrize("width", [60, 80, 120])
def test_it_fits_the_terminal(run: Runner, width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    for words in (["resnet50"], ["mobilenet_v2", "--vary", "set.width,batch"], ["swin_t", "--per", "layer"]):
        done = run("formula", *words)
        assert done.code == 0
        assert max(map(len, done.out.splitlines())) <= width


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["nosuch"], "unknown network or operator"),
        (["gost"], "ghost"),
        (["resnet50", "--vary", "foo"], "it can vary: batch, height, width"),
        (["resnet50", "--vary", "first"], "unknown name to vary"),
        (["resnet50", "--vary", ""], "empty name"),
        (["resnet50", "--vary", "height,height"], "twice"),
        (["resnet50", "--assume", "Q = 3"], "no symbol"),
        (["resnet50", "--assume", "H=x y z"], "not an arithmetic expression"),
        (["alexnet", "--assume", "H=20"], "contradicts a condition"),
        (["conv", "--vary", "batch"], "--vary is for the formula of a network"),
        (["conv", "--input", "3x8x8"], "--input is for the formula of a network"),
        (["resnet50", "--set", "classes=0"], "classes"),
    ],
)
def test_wrong_usage(run: Runner, words: list[str], why: str) -> None:
    done = run("formula", *words)
    assert (done.code, done.out) == (2, "")
    assert why in done.err
    assert len(done.err.splitlines()) == 2


def test_a_number_of_layers_that_decides_more(run: Runner, tmp_path: Path) -> None:
    """A layer that is there from 12 repetitions on is a condition, and no term."""
    path = tmp_path / "n.yaml"
    path.write_text(
        "input: [3, 8, 8]\noptions:\n  n: {default: 2, help: blocks}\n  N: {default: 3, help: channels}\nlayers:\n"
        "  - a: {op: conv, out: N}\n  - z: {op: conv, out: N, when: 'n >= 12'}\n  - b: {repeat: n, op: conv, out: N}\n"
    )
    data = json.loads(run("formula", str(path), "--vary", "n", "--format", "json").out)
    assert data["cost"]["params"]["exact"] == f"{3 * 3 * 9}*n + {3 * 3 * 9}"
    assert [one["condition"] for one in data["valid"]] == ["n <= 11"]
    # An option that is named like the symbol of an axis.
    both = json.loads(run("formula", str(path), "--vary", "N,batch", "--format", "json").out)
    assert both["symbols"] == {"N_option": "option N", "N": "batch"}
    assert both["cost"]["params"]["exact"] == "18*N_option^2 + 27*N_option"


@pytest.mark.parametrize("name", ["repvgg_a2", "repvgg_b3"])
def test_groups_are_no_number_of_layers(run: Runner, name: str) -> None:
    """They change the structure at 1 only, where another layer takes their place."""
    data = json.loads(run("formula", name, "--vary", "groups", "--format", "json").out)
    assert [one["value"] for one in data["fixed"]] == [1]


def test_deep_networks_have_a_form(run: Runner) -> None:
    data = json.loads(run("formula", "swin_b", "--format", "json").out)
    expected = network("swin_b", input=(3, 97, 161))
    for kind in KINDS:
        found = eval(data["cost"][kind]["python"], dict(CALLS), {"N": 1, "H": 97, "W": 161})  # noqa: S307 - our text
        assert found == expected.total(kind)


@pytest.mark.parametrize(("assume", "why"), [("H = -32 h", "always less than 1"), ("H = 0 h", "1 or more")])
def test_assumed_sizes_are_positive(run: Runner, assume: str, why: str) -> None:
    done = run("formula", "resnet18", "--assume", assume)
    assert (done.code, done.out) == (2, "")
    assert why in done.err


def test_assumed_sizes_that_may_be_too_small_are_conditions(run: Runner) -> None:
    data = json.loads(run("formula", "resnet18", "--assume", "H = 32 h - 100", "--format", "json").out)
    assert [one["condition"] for one in data["valid"]] == ["h >= 4"]


def test_a_difference_as_an_expression(run: Runner) -> None:
    """SPConv in a 3x3 convolution of c channels saves what the paper says; at every size the difference is that."""
    done = run("diff", "resnet18", "resnet18 --replace spconv", "--symbolic", "--format", "json")
    found = json.loads(done.out)["symbolic"]
    for size in (97, 224):
        a = network("resnet18", input=size)
        after = json.loads(
            run("model", "resnet18", "--replace", "spconv", "--input", str(size), "--format", "json").out
        )
        value = eval(found["difference"]["macs"]["python"], dict(CALLS), {"N": 1, "H": size, "W": size})  # noqa: S307
        assert value == after["macs"] - a.macs
    assert "B - A as an expression" in run("diff", "resnet18", "resnet18 --replace spconv", "--symbolic").out
    same = json.loads(run("diff", "resnet18", "resnet18", "--symbolic", "--format", "json").out)["symbolic"]
    assert all(one["exact"] == "0" for one in same["difference"].values())
    assert same["stages"] == []


def test_options_of_both_sides_are_symbols(run: Runner) -> None:
    done = run("diff", "resnet18", "'resnet34'", "--vary", "classes", "--format", "json")
    assert done.code == 0
    found = json.loads(done.out)["symbolic"]
    assert found["difference"]["params"]["exact"] == str(network("resnet34").params - network("resnet18").params)


def test_locked_forms(run: Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A change of a layer shows as an expression; one that costs the same at the locked size does too."""
    monkeypatch.chdir(tmp_path)
    Path("net.yaml").write_text(TINY)
    Path("flopcalc.yaml").write_text("formulas: [tiny]\ntargets: [{network: net.yaml, name: tiny}]\n")
    assert run("lock").code == 0
    assert 'formula "network tiny"' in Path("flopcalc.lock").read_text()
    assert run("check", "--formulas").code == 0
    Path("net.yaml").write_text(TINY.replace("out: 8,", "out: 12,"))
    done = run("check", "--formulas", "--format", "json")
    wrong = {one["kind"]: one for one in json.loads(done.out)["formulas"]}
    assert done.code == 1
    # Four more outputs of 3 * 9 weights and a bias, and of 10 weights in the linear layer.
    assert wrong["params"]["difference"] == str(4 * (3 * 9 + 1) + 4 * 10)
    assert wrong["macs"]["difference"] == f"{4 * 3 * 9}*N*H*W + {4 * 10}*N"
    assert (wrong["macs"]["operator"], wrong["macs"]["of"]) == ("tiny", "network")
    assert run("lock", "--update").code == 0
    assert run("check", "--formulas").code == 0


def test_a_change_that_costs_the_same_at_the_locked_size(run: Runner, tmp_path: Path, monkeypatch: Any) -> None:
    """A pool by 8 instead of a global one: equal totals at 8x8, and another function of the size."""
    monkeypatch.chdir(tmp_path)
    layers = "input: [4, 8, 8]\nlayers:\n  - a: {op: maxpool, k: 2, stride: %s}\n  - b: {op: conv, out: 4, k: 1}\n"
    Path("net.yaml").write_text(layers % 4)
    Path("flopcalc.yaml").write_text("formulas: all\ntargets: [{network: net.yaml, name: net}]\n")
    assert run("lock").code == 0
    Path("net.yaml").write_text((layers % 4).replace("k: 2", "k: 4"))
    done = run("check", "--formulas", "--format", "json")
    wrong = [one for one in json.loads(done.out)["formulas"] if one["of"] == "network"]
    assert {one["kind"] for one in wrong} >= {"other"}


def test_damaged_forms_are_errors(run: Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("net.yaml").write_text(TINY)
    Path("flopcalc.yaml").write_text("formulas: [tiny]\ntargets: [{network: net.yaml, name: tiny}]\n")
    assert run("lock").code == 0
    lock = Path("flopcalc.lock")
    good = lock.read_text()
    for wrong in ("__import__('os')", "N*(", "N.real", "1 +", "N if N else 2; 3", "X*3"):
        lock.write_text(good.replace("\nmacs 216*N*H*W + 80*N", f"\nmacs {wrong}"))
        assert lock.read_text() != good
        done = run("check", "--formulas")
        assert done.code == 2, wrong
        assert len(done.err.splitlines()) == 2


def test_names_in_formulas(run: Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("net.yaml").write_text(TINY)
    Path("flopcalc.yaml").write_text("formulas: [tinny]\ntargets: [{network: net.yaml, name: tiny}]\n")
    done = run("lock")
    assert done.code == 2
    assert "unknown operator or target 'tinny'" in done.err
    assert "tiny" in done.err
    assert not Path("flopcalc.lock").exists()


def test_points_outside_are_errors() -> None:
    """Also in arrays; numbers of other kinds too."""
    numpy = pytest.importorskip("numpy")
    found = formula("alexnet")
    for wrong in (62, numpy.array([64, 62]), -5, numpy.array([-5]), 64.5, "a", numpy.array([64.5])):
        with pytest.raises(FlopcalcError):
            found.at(N=1, H=wrong, W=224)
    assert found.at(N=1, H=numpy.array([224, 64]), W=224)["macs"][0] == network("alexnet").macs
    width = formula("mobilenet_v2", vary="width")
    assert width.at(width=0.75)["macs"] == width.at(width="3/4")["macs"] == network("mobilenet_v2", width=0.75).macs
    with pytest.raises(FlopcalcError):
        formula(network("resnet18"))


def test_in_python() -> None:
    found = formula("resnet18", assume="H = 32 h, W = 32 w")
    assert found.at(N=2, h=7, w=7)["macs"] == 2 * network("resnet18").macs
    assert {one["kind"] for one in found.to_rows()} == set(KINDS)
    assert found.to_dict()["schema"] == "flopcalc/formula/2"
    assert formula("ghost").to_dict()["schema"] == "flopcalc/formula/1"
    assert "macs" in repr(found)


def test_a_form_of_small_inputs_has_no_limit_for_large_ones(run: Runner) -> None:
    """Windows of transforms become larger at 57: the form ends before, and so does what its ratio tends to."""
    words = ("formula", "resnet20_cifar", "--replace", "fft_conv", "--format", "json")
    record = json.loads(run(*words).out)
    assert "H <= 56" in str(record["valid"])
    assert record["ratio"]["macs"]["limit"] is None
    assert "for a large input" not in run(*words[:-2]).out
