"""The largest batch for memory: the values that are listed, the command that shows it, and no largest one."""

import json
import shlex
from typing import Any

import pytest
from helpers import Runner

from flopcalc import FlopcalcError, memory, solve


def test_of_listed_batches_the_largest_that_fits() -> None:
    peaks = {batch: memory("resnet18", batch=batch).peak for batch in (8, 16, 24, 32)}
    bound = 200_000_000
    fits = [batch for batch, peak in peaks.items() if peak <= bound]
    found = solve("resnet18", "batch", f"peak_memory <= {bound}", among="8:32:8")
    assert (found.value, found.cost) == (str(max(fits)), {"peak_memory": peaks[max(fits)]})
    assert found.next is not None
    assert found.next["cost"] == {"peak_memory": peaks[max(fits) + 8]}
    # The last one of a list fits: that is what was asked for.
    every = solve("resnet18", "batch", f"peak_memory <= {peaks[32]}", among=[32, 8])
    assert (every.value, every.next) == ("32", None)
    none = solve("resnet18", "batch", f"peak_memory < {peaks[8]}", among="8:32:8")
    assert (none.value, str(none.why_not).startswith(f"a batch of 8 needs {peaks[8]:,} bytes")) == (None, True)


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"pick": "smallest"}, "the largest batch is searched for"),
        ({"among": {"input": "32:64:32"}}, "--among 'input' is not searched for"),
        ({"among": "0:8"}, "0 is not a whole number"),
        ({"among": "8:30:8"}, "the steps do not reach 30"),
    ],
)
def test_what_cannot_be_asked_is_not_ignored(keywords: dict[str, Any], message: str) -> None:
    with pytest.raises(FlopcalcError) as error:
        solve("resnet18", "batch", "peak_memory <= 200M", **keywords)
    assert message in error.value.message


def test_weights_do_not_grow_with_the_batch() -> None:
    """46.8 MB of weights at every batch."""
    found = solve("resnet18", "batch", "weights_bytes <= 50M")
    assert (found.value, found.exact) == (None, False)
    assert "there is no largest one" in str(found.why_not)


def test_the_command_shows_the_same_bytes(run: Runner) -> None:
    """With the replacement, the options, the input and the dtype."""
    words = ["resnet18", "--replace", "spconv where k == 3", "--keep", "layer1", "--set", "classes=10"]
    words += ["--input", "3x64x64", "--dtype", "float16"]
    asked = run("solve", *words, "--for", "batch", "--target", "peak_memory <= 90M", "--format", "json")
    found = json.loads(asked.out)
    again = run(*shlex.split(found["command"])[1:], "--format", "json")
    assert json.loads(again.out)["peak_bytes"] == found["cost"]["peak_memory"] <= 90_000_000


@pytest.mark.parametrize(
    "words",
    [
        ("conv", "--cin", "64", "--for", "cout"),
        ("resnet18", "--for", "input"),
        ("resnet18", "--for", "input,classes", "--among", "classes=10,20"),
    ],
)
def test_the_command_has_the_type_of_the_traffic(run: Runner, words: tuple[str, ...]) -> None:
    asked = run("solve", *words, "--target", "traffic <= 60M", "--dtype", "float16", "--format", "json")
    found = json.loads(asked.out)
    again = run(*shlex.split(found["command"])[1:], "--format", "json")
    shown = json.loads(again.out)
    assert shown.get("traffic", shown.get("total", {}).get("traffic")) == found["cost"]["traffic"]
