"""Errors from a file of targets name its keys, not the flags of the command line."""

from pathlib import Path

import pytest
from helpers import TINY, Runner

from flopcalc.budget.flags import as_keys


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "write --input 3x224x224, or --input name=77x768:int64",
            "write input: 3x224x224, or input: name=77x768:int64",
        ),
        ("it was --input 3x8x8 --input 77:int64; so", "it was input: [3x8x8, 77:int64]; so"),
        ("--input is 'abc', not a shape", "input is 'abc', not a shape"),
        ("give --set depth=... --set width=..., or", "give set: {depth: ..., width: ...}, or"),
        ("give --input 3x8x8 --arg depth=... --arg x=1", "give input: 3x8x8 arg: {depth: ..., x: 1}"),
        ("count it on the CPU (--on cpu)", "count it on the CPU (on: cpu)"),
        ("leave --method out", "leave method out"),
        ("--set has no effect: it is built", "set has no effect: it is built"),
        ("write --batch 1, in Python batch=1", "write batch: 1, in Python batch=1"),
        ("leave --groups at 1", "leave groups at 1"),
        ("give --cout the value of --cin", "give c_out the value of c_in"),
        # Commands, flags of `flopcalc check` itself, and words that only begin like a flag.
        ("`flopcalc model net --replace ...` shows", "`flopcalc model net --replace ...` shows"),
        ("for example spconv (--replace spconv on the command line)",) * 2,
        ("raise the limit with --timeout SECONDS",) * 2,
        ("see the traceback with --debug",) * 2,
        ("--inputs and --k-best",) * 2,
    ],
)
def test_words(text: str, expected: str) -> None:
    """Flags with values are written as in YAML."""
    assert as_keys(text) == expected


MODEL = """\
import torch
def net(depth): return torch.nn.Conv2d(3, depth, 1)
built = torch.nn.Conv2d(3, 4, 1)
"""


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("{network: tiny.yaml, input: abc}", "input is 'abc'"),
        ("{network: tiny.yaml, input: [3x8x8, 3x8x8]}", "write input: 3x224x224"),
        ("{network: tiny.yaml, batch: 0}", "write batch: 1"),
        ("{network: 'net.py:built'}", "input: 3x224x224"),
        ("{network: 'net.py:net', input: 3x8x8}", "set: {depth: ...}"),
        ("{network: 'net.py:built', set: {a: 1}, input: 3x8x8}", "set has no effect"),
        ("{network: 'net.py:built', input: 4x8x8}", "input: 4x8x8"),
        ("{network: 'net.py:built', input: [x=3x8x8, x=3x8x8]}", "input x= is given twice"),
        ("{operator: adder, cin: 4, groups: 2}", "groups"),
        ("{operator: shift, cin: 4, cout: 8, stride: 2, groups: 2}", "groups"),
    ],
)
def test_errors_of_a_file(
    target: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run: Runner
) -> None:
    """Each error of a target, with no flag in it but those of commands."""
    if "net.py" in target:
        pytest.importorskip("torch")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tiny.yaml").write_text(TINY)
    (tmp_path / "net.py").write_text(MODEL)
    (tmp_path / "flopcalc.yaml").write_text(f"targets:\n  - {target}\n")
    done = run("check")
    assert done.code == 2, done.out
    assert words in done.err
    assert not any(flag in done.err for flag in ("--input", "--set", "--batch", "--groups", "--cin", "--cout"))


@pytest.mark.parametrize("method", ["forward", "encode"])
def test_a_description_has_no_methods(method: str, tmp_path: Path, run: Runner) -> None:
    """The usual method is refused as others are: it would have no effect."""
    path = tmp_path / "flopcalc.yaml"
    path.write_text(f"targets:\n  - network: resnet18\n    method: {method}\n    limits: [params < 20M]\n")
    done = run("check", str(path))
    assert done.code == 2
    assert done.err.splitlines() == [
        f"error: {path}, line 2: target resnet18: method '{method}' does not apply to 'resnet18', which is a described "
        "network",
        "hint:  leave method out; it is for a Python model such as file.py:Net",
    ]
