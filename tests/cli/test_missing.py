"""Something that a command needs is missing: the hint has an example that runs."""

import shlex

import pytest
from helpers import Runner


@pytest.mark.parametrize(
    "words",
    ["compare", "sweep", "model", "explain", "memory", "layer conv", "compare conv", "roofline resnet18"],
)
def test_the_hint_is_an_example(words: str, run: Runner) -> None:
    name = words.partition(" ")[0]
    done = run(*words.split())
    assert (done.code, done.out) == (2, "")
    hint = done.err.splitlines()[-1]
    example, end, _ = hint.removeprefix("hint:  write for example flopcalc ").partition(f"; flopcalc {name} --help")
    assert hint.startswith("hint:  write for example ")
    assert end
    assert shlex.split(example)[0] == name
    assert run(*shlex.split(example)).code == 0


def test_the_channels_where_the_example_has_none(run: Runner) -> None:
    done = run("roofline", "conv", "--device", "h100")
    assert "hint:  write for example --cin 64; flopcalc roofline --help shows the options" in done.err
