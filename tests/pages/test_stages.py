"""Stages and layers of a page: their numbers agree, and a long name leaves room for the costs."""

import re
from pathlib import Path

import pytest
from chromium import browser, executable
from helpers import Runner, import_for_pages

import_for_pages()

# The layers of an encoder go on after their parts have run; one name is longer than a screen is wide.
MODEL = f"""
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.enc = nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), 2)
        self.{"x" * 150} = nn.Linear(8, 8)
        self.out = nn.Linear(8, 3)

    def forward(self, x):
        return self.out(self.{"x" * 150}(self.enc(x)))
"""


@pytest.fixture
def page(tmp_path: Path, run: Runner) -> Path:
    (tmp_path / "net.py").write_text(MODEL)
    found = tmp_path / "page.html"
    done = run("report", f"{tmp_path}/net.py:Net", "--input", "5x8", "-o", str(found))
    assert done.code == 0, done.err
    return found


def test_a_row_is_not_called_a_layer_where_a_layer_has_several(page: Path) -> None:
    text = page.read_text()
    rows = len(
        re.findall(r"<tr[ >]", text.partition('<table id="rows"')[2].partition("<tbody")[2].partition("</tbody")[0])
    )
    stages = text.partition("By stage")[2].partition("</table>")[0]
    layers = [int(one) for one in re.findall(r"<td[^>]*>(\d+)</td>\s*<td class=\"l\"", stages)]
    assert layers[-1] == sum(layers[:-1]) < rows
    assert f">{rows} rows</output>" in text
    assert 'data-noun="rows"' in text


def test_a_long_name_leaves_room_for_the_costs(page: Path, tmp_path: Path) -> None:
    if executable() is None:
        pytest.skip("no Chromium is installed, with which pages are tested")
    with browser(tmp_path / "profile") as tab:
        tab.size(1280, 900)
        tab.open(page)
        assert tab.evaluate("[...document.querySelectorAll('.scroll')].every((one) => one.scrollWidth <= 1280)")
