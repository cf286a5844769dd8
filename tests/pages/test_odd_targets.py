"""Reports of targets at the edge: a replacement of nothing, equal stages, one layer, kernels without a rule."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from helpers import Runner, import_for_pages

import_for_pages()

MODEL = """
import torch
from torch import nn

class One(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 1)

    def forward(self, x):
        return self.conv(x)

class Unknown(One):
    def forward(self, x):
        return torch.linalg.svd(super().forward(x))[0]

def equal():
    return nn.Sequential(*[nn.Conv2d(3, 3, 3, padding=1) for _ in range(70)])
"""


@pytest.fixture
def made(tmp_path: Path, run: Runner) -> Callable[..., str]:
    """A function that reports a model of MODEL, and returns the text."""
    (tmp_path / "net.py").write_text(MODEL)

    def make(name: str, *options: str) -> str:
        done = run("report", f"{tmp_path}/net.py:{name}", "--input", "3x16x16", *options)
        assert (done.code, done.err) == (0, "")
        return done.out

    return make


def test_a_replacement_of_nothing_keeps_all_sections(made: Callable[..., str]) -> None:
    """The closed form and the memory are those of the model as it is; no section says that there is nothing."""
    text = made("One", "--replace", "spconv", "--format", "html")
    assert 'class="absent"' not in text
    assert "No layer was replaced, 1 convolution stays as it was. Replacement: <code>spconv</code>." in text
    assert "no layer replaced by spconv" in text
    assert "MACs by stage, before and after" not in text
    for section in ("formula", "memory"):
        whole, plain = (
            re.search(rf'<section id="{section}".*?</section>', page, re.DOTALL)
            for page in (text, made("One", "--format", "html"))
        )
        assert whole is not None
        assert plain is not None
        assert whole[0] == plain[0]


def test_none_of_equal_stages_is_the_most_expensive(made: Callable[..., str]) -> None:
    assert "most expensive" not in made("equal", "--format", "html").partition('class="cards"')[0]


def test_a_long_closed_form_is_not_on_paper(made: Callable[..., str]) -> None:
    """70 rows of a table that is folded on a screen."""
    assert "<details><summary>By stage</summary>" in made("equal", "--format", "html")


def test_a_part_of_an_operator_is_named_once(run: Runner) -> None:
    """Its type is its name."""
    text = run("report", "ghost", "--cin", "64", "--format", "html").out
    assert "<title>primary: 57,802,752 MACs, " in text


def test_one_layer_is_no_plural(made: Callable[..., str]) -> None:
    text = made("One", "--format", "html")
    assert ">1 layer</output>" in text
    assert "1 kernel on the critical path" in text


def test_the_formula_of_a_card_is_of_what_was_counted(made: Callable[..., str]) -> None:
    assert "**MACs, as counted, for N batch, H height, W width:**" in made("Unknown", "--format", "markdown")
    assert "**MACs for N batch, H height, W width:**" in made("One", "--format", "markdown")
