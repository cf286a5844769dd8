"""Operators from YAML files: right numbers, usable wherever a name is, and safe."""

import json
from pathlib import Path

import pytest
import yaml
from helpers import ROOT, Runner

from flopcalc import FlopcalcError, layer
from flopcalc.catalog import lookup

EXAMPLE = str(ROOT / "examples" / "squeezed.yaml")


def test_the_example_by_hand() -> None:
    """64 -> 128 at stride 2 on 56: mid 16; 1x1, 3x3 at 28x28, 1x1 with bias, and the gate."""
    e = layer(EXAMPLE, 64, 128, stride=2)
    params = {"reduce": 64 * 16, "spatial": 16 * 16 * 9, "expand": 16 * 128 + 128, "gate": 256}
    macs = {"reduce": 1024 * 56 * 56, "spatial": 2304 * 28 * 28, "expand": 2048 * 28 * 28, "gate": 256}
    assert {part.name: part.params for part in e.cost} == params
    assert {part.name: part.macs for part in e.cost} == macs
    assert e.derived == {"mid": 16}
    assert e.cost.steps == 4
    assert layer(EXAMPLE, 64, ratio="1/8", batch=3).cost.parts[-1].macs == 3 * 128


def test_wherever_a_name_is(run: Runner, tmp_path: Path) -> None:
    """layer, compare, formula, list of replaced layers, a network's description."""
    data = json.loads(run("layer", "--type", EXAMPLE, "--cin", "64", "--set", "ratio=1/8", "--format", "json").out)
    assert (data["type"], data["derived"], data["options"]) == ("squeezed", {"mid": 8}, {"ratio": "1/8"})
    assert run("compare", "conv", f"{EXAMPLE}:ratio=1/2", "--cin", "64").code == 0
    replaced = json.loads(run("model", "resnet50", "--replace", EXAMPLE, "--format", "json").out)
    assert replaced["replaced"] == 16
    description = tmp_path / "net.yaml"
    description.write_text(f"input: [64, 8, 8]\nlayers:\n  - a: {{op: {EXAMPLE}, out: 32, ratio: 1 / 2}}\n")
    found = json.loads(run("model", str(description), "--format", "json").out)
    assert found["params"] == 64 * 32 + 32 * 32 * 9 + 32 * 32 + 32 + 64


def test_an_inner_grid_of_its_own(tmp_path: Path) -> None:
    """Down by a strided convolution, up again by a transposed one: 28 x 28 in between."""
    path = tmp_path / "op.yaml"
    up = "{op: transposed, k: 2, stride: 2, padding: 0}"
    path.write_text(f"parts:\n  - down: {{op: conv, stride: 2}}\n  - up: {up}\n  - last: {{op: dsc}}\n")
    e = layer(str(path), 8)
    assert [part.macs for part in e.cost] == [28 * 28 * 576, 28 * 28 * 256, 56 * 56 * (72 + 64)]


def test_as_algebra(run: Runner) -> None:
    """The closed form: c_in mid + 9 mid^2 + mid c_out + 3 c_out for k = 3; the limit ratio (1 + 1 + r k^2) r / k^2."""
    pytest.importorskip("sympy")
    data = json.loads(run("formula", EXAMPLE, "--format", "json").out)
    assert data["definitions"] == {"mid": "ceil(c_in*ratio)"}
    assert data["cost"]["params"]["limit_value"] == pytest.approx(0.25**2 + 2 * 0.25 / 9)


def test_the_guide_shows_the_example() -> None:
    """docs/composing.md shows examples/squeezed.yaml."""
    text = (ROOT / "docs" / "composing.md").read_text()
    shown = yaml.safe_load(text.split("```yaml\n")[1].split("```")[0])
    assert shown == yaml.safe_load(Path(EXAMPLE).read_text())


def test_verify_has_nothing_to_count(run: Runner) -> None:
    """In words."""
    pytest.importorskip("torch")
    done = run("verify", EXAMPLE, "--cin", "64")
    assert done.code == 2
    assert "no PyTorch module" in done.err


def test_verify_without_a_shape_says_the_same(run: Runner, tmp_path: Path) -> None:
    """A file that reads k has no value for it at kernels of 1x3, which verify tries; that is not what is wrong."""
    pytest.importorskip("torch")
    path = tmp_path / "square.yaml"
    path.write_text("parts:\n  - a: {params: c_in * k}\n")
    done = run("verify", str(path))
    assert done.code == 2
    assert "the operator square has no PyTorch module" in done.err


GOOD = "parts:\n  - a: {op: conv}\n"


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("", 0, "not a mapping"),
        ("- a", 0, "not a mapping"),
        ("parts: 3", 1, "parts is a list"),
        ("parts: []", 1, "parts is a list"),
        ("parts:\n  - a: 3", 2, "not a mapping"),
        ("parts:\n  - A: {op: conv}", 2, "lower-case"),
        ("parts:\n  - input: {op: conv}", 2, "lower-case"),
        ("parts:\n  - a: {op: konv}", 2, "unknown operator 'konv'"),
        ("parts:\n  - a: {op: ./other.yaml}", 2, "there is no file './other.yaml'"),
        ("parts:\n  - a: {op: op.yaml}", 2, "uses this file"),
        ("parts:\n  - a: {op: conv, alpha: 1/2}", 2, "unknown key 'alpha'"),
        ("parts:\n  - a: {op: conv1d}", 2, "does not work on images"),
        ("parts:\n  - a: {parms: 3}", 2, "unknown key 'parms'"),
        ("parts:\n  - a: {params: c_in.real}", 2, "a dot behind a name is not allowed"),
        ("parts:\n  - a: {params: __import__('os')}", 2, "params"),
        ("parts:\n  - a: {params: 9^9^9^9}", 2, "too large"),
        ("parts:\n  - a: {params: c_in / 3}", 2, "64/3, not a whole number"),
        ("parts:\n  - a: {params: 0 - c_in}", 2, "-64, not a whole number"),
        ("parts:\n  - a: {params: 1.5}", 2, "not a whole number"),
        ("parts:\n  - a: {params: true}", 2, "not a whole number"),
        ("parts:\n  - a: {params: }", 2, "params is empty"),
        ("parts:\n  - a: {macs: 10^400 * c_in}", 2, "macs comes to more than 10^300"),
        ("parts:\n  - a: {macs: max(c_in, c_out)}", 2, "'c_out)' follows a comma inside of brackets"),
        ("parts:\n  - a: {macs: 1}\n  - a: {macs: 2}", 3, "two parts are called a"),
        (GOOD + "needs:\n  - {rule: 1 < min(c_in, c_out), text: x}", 4, "'c_out)' follows a comma"),
        (GOOD + "derived: {m: max(c_in, 4)}", 3, "'4)' follows a comma"),
        (GOOD + "needs: [{rule: c_in - 60}]", 3, "the rule is 4, not true or false"),
        (GOOD + "needs: [{rule: \"'a'\"}]", 3, "the rule is 'a', not true or false"),
        (GOOD + "options: {q: {kind: choice, default: a, choices: ab}}", 3, "option q needs choices, a list"),
        (GOOD + "options: {q: {kind: choice, default: a, choices: []}}", 3, "option q needs choices, a list"),
        (GOOD + "options: {q: {kind: choice, default: a}}", 3, "option q needs choices, a list"),
        (GOOD + "paper: {authors: Family}", 3, "authors is 'Family', not a list of texts"),
        (GOOD + "paper: {year: last}", 3, "year is 'last', not a whole number"),
        (GOOD + "paper: {arxiv: 2106.10480}", 3, "arxiv is 2106.1048, not text"),
        ("parts:\n  - a: {params: channels}", 2, "unknown name 'channels'"),
        ("parts:\n  - a: {op: conv, from: b}", 2, "not above it"),
        ("parts:\n  - a: {op: conv, c_out: 0}", 2, "c_out is 0"),
        ("parts:\n  - a: {op: spconv, c_in: 3}", 2, "not divisible"),
        (GOOD + "name: a/b", 3, "the name"),
        (GOOD + "nmae: x", 3, "unknown key 'nmae'"),
        (GOOD + "options: {q: 3}", 3, "not a mapping"),
        (GOOD + "options: {q: {kind: int}}", 3, "needs a default"),
        (GOOD + "options: {q: {kind: complex, default: 1}}", 3, "kind"),
        (GOOD + "options: {q: {default: x}}", 3, "option q is 'x'"),
        (GOOD + "options: {q: {default: 5, most: 3}}", 3, "at most 3"),
        (GOOD + "derived: {c_in: 3}", 3, "meaning already, a size of the layer"),
        *(
            (
                GOOD + f"options:\n  q: {{default: 1}}\n  {name}: {{default: 1}}",
                5,
                f"option {name}: the name has a meaning",
            )
            for name in ("k", "k_h", "c_in", "c_out", "h", "w", "h_out", "stride", "padding", "dilation", "groups", "n")
        ),
        (GOOD + "options: {from: {default: 1}}", 3, "a key of parts"),
        (GOOD + "options: {stage: {default: 1}}", 3, "a key of parts and of a network's entries"),
        (GOOD + "options: {max: {default: 1}}", 3, "a word of expressions"),
        (GOOD + "options: {lambda: {default: 1}}", 3, "a word of expressions"),
        (GOOD + "options: {m: {default: 1}}\nderived: {m: 3}", 4, "an option and a derived value"),
        (GOOD + "replaces: 3", 3, "replaces is 3"),
        (GOOD + "replaces: true", 3, "replaces is True"),
        (GOOD + "replaces: [any]", 3, "replaces is"),
        (GOOD + "replaces: all", 3, "unknown name 'all'"),
        (GOOD + "replaces: k", 3, "not true or false"),
        (GOOD + "replaces: k == 3 and groups", 3, "not true or false"),
        (GOOD + "replaces: h > 8", 3, "unknown name 'h'"),
        (GOOD + "replaces: k = 3", 3, "write =="),
        (GOOD + "derived: {m: 1 +}", 3, "arithmetic"),
        (GOOD + "needs: [{text: x}]", 3, "a rule"),
        (GOOD + "needs: {a: b}", 3, "needs is a list"),
        (GOOD + "title: [a, b]", 3, "title is ['a', 'b'], not text"),
        (GOOD + "name: {a: 1}", 3, "name is {'a': 1}, not text"),
        (GOOD + "family: true", 3, "family is True, not text"),
        (GOOD + "options:\n  n: {default: 1, help: [x]}", 4, "help is ['x'], not text"),
        (GOOD + "paper: {auther: x}", 3, "unknown key 'auther'"),
        ("x: !!python/name:os.system\n" + GOOD, 1, "tag"),
        ("x: &a [*a]", 1, "anchors"),
    ],
)
def test_broken_files(text: str, line: int, message: str, tmp_path: Path) -> None:
    """File, line and what is wrong; one line and a hint."""
    path = tmp_path / "op.yaml"
    path.write_text(text)
    with pytest.raises(FlopcalcError) as caught:
        layer(str(path), 64)
    error = caught.value
    assert message in error.message
    assert f"line {line}:" in error.message or line == 0
    assert "\n" not in error.message + error.hint


def test_needs_are_rules(tmp_path: Path) -> None:
    """A need that fails refuses the layer, with its words."""
    with pytest.raises(FlopcalcError, match="at least 4 channels in the middle"):
        layer(EXAMPLE, 8)
    assert lookup.get(EXAMPLE).rules[0].hint == "choose a larger ratio"
    with pytest.raises(FlopcalcError, match="cannot read"):
        layer(str(tmp_path / "absent.yaml"), 8)


# A 1x1 convolution beside a low-rank one, whose sum is written as counts.
LORA = """
parts:
  - base: {op: pointwise}
  - down: {op: pointwise, c_out: 4, from: input}
  - up: {op: pointwise, c_in: 4}
  - add: {adds: batch * c_out * h_out * w_out}
"""


def test_parts_give_the_size_of_the_output(run: Runner, tmp_path: Path) -> None:
    """Parts without a stride are not a layer with one: they would be counted on the large map, four times too high."""
    path = tmp_path / "lora.yaml"
    path.write_text(LORA)
    e = layer(str(path), 32, 64, hw=8)
    assert e.cost.macs == 64 * (32 * 64 + 32 * 4 + 4 * 64)
    with pytest.raises(FlopcalcError, match="part, add, gives 8x8, and the output of the layer is 4x4") as caught:
        layer(str(path), 32, 64, hw=8, stride=2)
    assert caught.value.code == "cannot-stand"
    # A 1x1 convolution with padding gives 10x10.
    with pytest.raises(FlopcalcError, match="gives 8x8, and the output of the layer is 10x10"):
        layer(str(path), 32, 64, hw=8, k=1, padding=1)
    # In a network such a layer stays, with the reason. ResNet-18 has six convolutions of stride 2 after the first.
    shown = run("model", "resnet18", "--replace", f"{path} where stride == 2 and not first", "--format", "json").out
    data = json.loads(shown)
    assert data["replaced"] == 0
    assert sum("gives" in reason for reason in (one["reason"] for one in data["skipped"])) == 6


def test_parts_that_pass_on_stride_and_padding(tmp_path: Path) -> None:
    """In expressions the layer's stride, padding and dilation are names; a part of counts has a stride, too."""
    path = tmp_path / "op.yaml"
    window = "stride: stride, padding: padding, dilation: dilation"
    path.write_text(f"parts:\n  - one: {{op: conv, {window}}}\n  - two: {{op: pointwise, c_in: c_out, from: one}}\n")
    # 3x3 at dilation 2 without padding: 11 -> 7, at stride 2 -> 4.
    e = layer(str(path), 3, 5, hw=11, stride=2, padding=0, dilation=2)
    assert e.out_shape == (5, 4, 4)
    assert e.cost.macs == 16 * (3 * 5 * 9 + 5 * 5)
    path.write_text(
        "parts:\n  - pool: {other: 4 * c_in * h_out * w_out * batch, stride: 2}\n  - one: {op: pointwise}\n"
    )
    e = layer(str(path), 3, 5, hw=11, stride=2)
    assert e.cost.macs == 6 * 6 * 3 * 5
    with pytest.raises(FlopcalcError, match="gives 6x6, and the output of the layer is 11x11"):
        layer(str(path), 3, 5, hw=11)
    # Counts alone say nothing about sizes.
    path.write_text("parts:\n  - all: {macs: 9 * c_in * c_out * h_out * w_out * batch}\n")
    assert layer(str(path), 3, 5, hw=11, stride=2).cost.macs == 36 * 135
    path.write_text("parts:\n  - all: {macs: c_in, stride: 0}\n")
    with pytest.raises(FlopcalcError, match="line 2: stride is 0"):
        layer(str(path), 3, 5, hw=11)


def test_windows_as_in_networks(tmp_path: Path) -> None:
    """3x5 is a kernel, and `same` a padding, as in the entries of a network: 2x2 taps at all of 7x7 places."""
    path = tmp_path / "op.yaml"
    path.write_text("parts:\n  - a: {op: conv, k: 3x5}\n  - b: {op: conv, k: 2, padding: same}\n")
    assert [part.macs for part in layer(str(path), 3, hw=7).cost] == [49 * 9 * 15, 49 * 9 * 4]


def test_a_comma_in_a_list(tmp_path: Path) -> None:
    """The hint for an expression that YAML cuts at its comma."""
    path = tmp_path / "op.yaml"
    path.write_text("parts:\n  - a: {op: conv, k: [max(1, c_in), 3]}\n")
    with pytest.raises(FlopcalcError, match=r"cannot read the expression 'max\(1'") as caught:
        layer(str(path), 3)
    assert caught.value.hint == 'in braces and brackets, quote an expression that contains a comma: "max(a, b)"'


def test_a_name_for_one_number(tmp_path: Path) -> None:
    """k is no name where the kernel is 1x3; the hint says so."""
    path = tmp_path / "op.yaml"
    path.write_text("parts:\n  - all: {params: c_in * k}\n")
    with pytest.raises(FlopcalcError, match="unknown name 'k'") as caught:
        layer(str(path), 3, k=(1, 3))
    assert caught.value.hint == "k is a name where height and width have the same; a need such as k_h == k_w says so"


def _write(folder: Path, **files: str) -> str:
    """Files by name; the path of the first."""
    folder.mkdir(exist_ok=True)
    for name, text in files.items():
        (folder / f"{name}.yaml").write_text(text)
    return str(folder / f"{next(iter(files))}.yaml")


OUTER = """
parts:
  - reduce: {op: conv, k: 1, c_out: c_in // 2}
  - middle: {op: inner/squeezed.yaml, c_in: c_in // 2, c_out: c_out, ratio: 1/8}
"""


def test_an_operator_of_another_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its path is relative to the file that names it, wherever the command runs; its options are settings."""
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner" / "squeezed.yaml").write_text(Path(EXAMPLE).read_text())
    path = _write(tmp_path, outer=OUTER)
    monkeypatch.chdir("/")
    found = layer(path, 64, 128, hw=7)
    inner = layer(EXAMPLE, 32, 128, hw=7, ratio="1/8")
    assert [part.params for part in found.cost] == [64 * 32, inner.cost.params]
    assert [part.macs for part in found.cost] == [64 * 32 * 49, inner.cost.macs]
    assert found.cost.steps == 1 + inner.cost.steps
    with pytest.raises(FlopcalcError, match="at least 4 channels in the middle"):
        layer(path, 16)


def test_files_that_use_one_another_in_a_circle(tmp_path: Path) -> None:
    """An error with the line, also where a path is spelled in another way."""
    path = _write(
        tmp_path, a="parts:\n  - x: {op: b.yaml}\n", b="parts:\n  - y: {op: conv}\n  - x: {op: ../t/a.yaml}\n"
    )
    with pytest.raises(FlopcalcError, match=r"b\.yaml, line 3: part x: .* uses this file") as caught:
        layer(
            _write(tmp_path / "t", **{Path(path).stem: Path(path).read_text(), "b": (tmp_path / "b.yaml").read_text()}),
            8,
        )
    assert caught.value.code == "bad-operator-file"


def test_levels_of_files(tmp_path: Path) -> None:
    """Five are allowed, on every way through the files, and a sixth is not."""
    files = {f"f{i}": f"parts:\n  - x: {{op: f{i + 1}.yaml}}\n" for i in range(1, 7)} | {"f7": GOOD}
    _write(tmp_path, **files)
    assert layer(str(tmp_path / "f3.yaml"), 8).cost.params == 8 * 8 * 9
    with pytest.raises(FlopcalcError, match=r"f6\.yaml, line 2: part x: more than 5 levels"):
        layer(str(tmp_path / "f2.yaml"), 8)
    # The deep file is read first, at a level where it may be.
    both = _write(tmp_path, both="parts:\n  - deep: {op: f4.yaml}\n  - x: {op: f3.yaml}\n")
    with pytest.raises(
        FlopcalcError, match=r"f3\.yaml, line 2: part x: more than 5 levels|both.yaml, line 3: .* 5 levels"
    ):
        layer(both, 8)


def test_files_that_multiply(tmp_path: Path) -> None:
    """A hundred parts on each of five levels would be 10^10 parts."""
    files = {
        f"f{i}": "parts:\n" + "".join(f"  - p{j}: {{op: f{i + 1}.yaml}}\n" for j in range(100)) for i in range(1, 5)
    }
    with pytest.raises(FlopcalcError, match=r"f3\.yaml, line 1: it has 20,100 parts"):
        layer(_write(tmp_path, **files, f5=GOOD), 8)


def _replaced(run: Runner, path: str, tmp_path: Path) -> list[str]:
    net = tmp_path / "net.yaml"
    lines = ["input: [8, 8, 8]", "layers:", "  - stem: {op: conv}", "  - small: {op: conv, k: 1}"]
    lines += ["  - wide: {op: conv, k: [1, 5]}", "  - large: {op: conv, k: 5, out: 16}"]
    net.write_text("\n".join(lines))
    return list(json.loads(run("model", str(net), "--replace", path, "--format", "json").out)["replaced_by"])


@pytest.mark.parametrize(
    ("policy", "taken"),
    [
        ("", ["stem", "wide", "large"]),
        ("replaces: spatial", ["stem", "wide", "large"]),
        ("replaces: any", ["stem", "small", "wide", "large"]),
        ("replaces: none", []),
        ("replaces: k == 3", ["stem"]),
        ("replaces: k_w > 1 and not first", ["wide", "large"]),
        ("replaces: c_out != c_in or k_h == 1", ["small", "wide", "large"]),
    ],
)
def test_the_policy_of_a_file(policy: str, taken: list[str], run: Runner, tmp_path: Path) -> None:
    """The layers that it replaces, and the policy in words."""
    path = _write(tmp_path, op=f"{policy}\nparts:\n  - a: {{op: conv}}\n  - b: {{op: conv, c_in: c_out, k: 1}}\n")
    assert _replaced(run, path, tmp_path) == taken
    words = {"spatial": "larger than 1x1", "": "larger than 1x1", "none": "no convolution", "any": "every convolution"}
    stated = policy.removeprefix("replaces: ")
    assert words.get(stated, f"where {stated}") in lookup.get(path).policy.text


def test_a_policy_that_fails_on_a_layer(run: Runner, tmp_path: Path) -> None:
    """File, line and layer: a kernel that is not square is not a number."""
    path = _write(tmp_path, op=f"replaces: k > 3\n{GOOD}")
    net = tmp_path / "net.yaml"
    net.write_text("input: [8, 8, 8]\nlayers:\n  - wide: {op: conv, k: [1, 5]}\n")
    done = run("model", str(net), "--replace", path)
    assert done.code == 2
    assert "op.yaml, line 1: replaces, at layer wide" in done.err


def test_a_family_in_capitals_and_choices_of_a_number(tmp_path: Path) -> None:
    """Neither is an error in a file, as it is in a record."""
    path = tmp_path / "mine.yaml"
    options = "options:\n  wide: {kind: int, default: 3, choices: [a]}\n"
    path.write_text(f"family: My Blocks\n{options}parts:\n  - a: {{op: conv}}\n")
    assert lookup.get(str(path)).family == "my blocks"
    assert layer(str(path), 8).params == 8 * 8 * 9


@pytest.mark.parametrize(
    ("name", "meaning"), [("conv", "an operator"), ("relu", "a primitive layer"), ("resnet50", "a network")]
)
def test_a_name_that_flopcalc_has(name: str, meaning: str, tmp_path: Path) -> None:
    """A table of layers would show it as if it were ours; without `name` it is that of the file."""
    path = tmp_path / f"{name}.yaml"
    for text in ("parts:\n  - a: {op: conv}\n", f"name: {name}\nparts:\n  - a: {{op: conv}}\n"):
        path.write_text(text)
        with pytest.raises(FlopcalcError) as found:
            layer(str(path), 8)
        assert found.value.message.endswith(f"the name {name} is that of {meaning} in flopcalc")
    path.write_text("name: mine\nparts:\n  - a: {op: conv}\n")
    assert layer(str(path), 8).params == 8 * 8 * 9


OF_THE_BATCH = {
    "params": ("  - a: {params: batch * c_in}", "part a: params depends on the batch (batch)"),
    "the other name": ("  - a: {params: n * c_in}", "part a: params depends on the batch (n)"),
    "channels": ("  - a: {op: conv, c_out: batch * c_out}", "part a: c_out depends on the batch (batch)"),
    "an option": ("  - a: {op: ghost, s: 2 if batch > 1 else 3}", "part a: s depends on the batch (batch)"),
    "a derived value": ("  - a: {params: wide}\nderived: {more: 2 * batch, wide: more + 1}", "on the batch (wide)"),
}


@pytest.mark.parametrize(("text", "message"), OF_THE_BATCH.values(), ids=OF_THE_BATCH)
def test_weights_do_not_depend_on_the_batch(text: str, message: str, tmp_path: Path) -> None:
    """Twice the batch was twice the parameters."""
    path = tmp_path / "op.yaml"
    path.write_text(f"parts:\n{text}\n")
    with pytest.raises(FlopcalcError) as found:
        layer(str(path), 8)
    assert found.value.message.endswith(message)


def test_work_depends_on_the_batch(tmp_path: Path) -> None:
    """Through a derived value too."""
    path = tmp_path / "op.yaml"
    path.write_text("derived: {all: batch * c_in}\nparts:\n  - a: {params: c_in, macs: all}\n")
    assert (layer(str(path), 8, batch=3).params, layer(str(path), 8, batch=3).macs) == (8, 24)


def test_verify_reads_a_network_of_a_file(run: Runner, tmp_path: Path) -> None:
    """It was read as an operator: `unknown key 'input'`."""
    pytest.importorskip("torch")
    path = tmp_path / "net.yaml"
    path.write_text("input: [8, 6, 6]\nlayers:\n  - a: {op: conv, out: 4}\n  - b: relu\n")
    found = json.loads(run("verify", str(path), "--format", "json").out)
    assert found["failed"] == 0
    assert {row["what"] for row in found["rows"] if row["target"] == str(path)} == {"a", "b", "total"}
