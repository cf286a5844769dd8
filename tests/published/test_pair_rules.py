"""What rules of rows can say beside names: digits, units, parts of names, parts of networks, options."""

from pathlib import Path

import pytest

from flopcalc.analysis.profile import profile
from flopcalc.networks import library
from flopcalc.published import pairs
from flopcalc.published.compare import Comparison
from flopcalc.published.pair_figures import compare_source
from flopcalc.published.rows import read_cell, without_filling


def _compared(folder: Path, rules: str, rows: str) -> list[Comparison]:
    (folder / "mine.yaml").write_text("name: Mine\nrepository: me/mine\n" + rules)
    (folder / "mine.txt").write_text(rows)
    return list(compare_source(pairs.read_source(str(folder / "mine.yaml"))))


@pytest.mark.parametrize(
    ("text", "decimals", "step"),
    [("8.190", 2, 10**7), ("0.714", 2, 10**6), ("27.500", 2, 10**7), ("27.500", 0, 10**8), ("30", 2, 10**9)],
)
def test_zeros_that_only_fill_a_cell(text: str, decimals: int, step: int) -> None:
    """8.190 in a column of three decimals is 8.19, and every other digit counts."""
    found = read_cell(text, "FLOPs(G)")
    assert found is not None
    kept = without_filling(found, decimals)
    assert kept.step == step
    assert kept.value == found.value


def test_digits_and_units_of_a_file(tmp_path: Path) -> None:
    rules = """
files: [{file: padded, decimals: 2}, {file: bare, unit: {macs: G, params: M}}]
networks: [{match: ResNet50, target: resnet50}]
"""
    rows = "@ padded | FLOPs(G) | Params(M)\nResNet50 | 4.090 | 25.560\n@ bare | x | y\nResNet50 | 4.09 | 25.56\n"
    assert [one.verdict for one in _compared(tmp_path, rules, rows)] == ["agrees"] * 4
    # Without the rules, 4.090 and 25.560 are not ours, and a cell without a unit is a number of operations.
    found = _compared(tmp_path, "networks: [{match: ResNet50, target: resnet50}]\n", rows)
    assert [one.verdict for one in found] == ["unexplained"] * 4


def test_parts_of_names_that_say_nothing(tmp_path: Path) -> None:
    rules = "ignored: '_distilled$'\nnetworks: [{match: 'ResNet(18|50)', target: 'resnet\\1'}]\n"
    rows = "@ a | FLOPs(G) | Params(M)\nResNet50_distilled | 4.09 | 25.6\nResNet18_pruned | 1 | 1\n"
    found = _compared(tmp_path, rules, rows)
    assert [one.verdict for one in found] == ["agrees", "agrees", "open", "open"]


def test_a_part_of_a_network(tmp_path: Path) -> None:
    """conv1 of ResNet-50: 7 x 7 x 3 x 64 weights at 112 x 112 places. fc: 2048 x 1000 weights and 1000 biases."""
    rules = "networks: [{match: 'conv1|fc', target: resnet50, part: '\\g<0>'}]\n"
    rows = "@ a | FLOPs | Params\nconv1 | 118.013952M | 9.408K\nfc | 2.048M | 2.049M\n"
    assert [one.verdict for one in _compared(tmp_path, rules, rows)] == ["agrees"] * 4


def test_several_sets_of_options(tmp_path: Path) -> None:
    """The first with which both figures agree: 2048 fewer parameters and as many MACs for each class less."""
    rules = "networks: [{match: R, target: resnet50, set: [{}, {classes: 999}]}]\n"
    rows = "@ a | FLOPs | Params\nR | 4089182208 | 25554983\nR | 4089184256 | 25557032\n"
    found = _compared(tmp_path, rules, rows)
    assert [one.verdict for one in found] == ["agrees"] * 4


def test_families_by_file(tmp_path: Path) -> None:
    rules = "families: [{match: '.*', file: video, family: Video}]\n"
    rows = "@ video/a | FLOPs | Params\n8x8x1 | 1G | 1M\n@ image/a | FLOPs | Params\nVAN-B0 | 1G | 1M\n"
    assert [one.family for one in _compared(tmp_path, rules, rows)[::2]] == ["Video", "VAN"]


def test_groups_that_are_divided_twice() -> None:
    """ResNeXt-50 32x4d: of its grouped 3x3 kernels, with 4, 8, 16 and 32 input channels each, only the last are left.

    There are three of them, 1024 kernels of 3 x 3 x 32 / 32 weights, at 7 x 7 places. PaddleClas prints 23.64 M for
    the whole network, whose other convolutions have 23.614 M parameters less norms and the classifier.
    """
    found = profile(library.load("resnext50_32x4d"))
    grouped = sum(
        blocks * width * per_group * 9
        for blocks, width, per_group in ((3, 128, 4), (4, 256, 8), (6, 512, 16), (3, 1024, 32))
    )
    assert found["conv_params"] - found["conv_weights_per_group"] == grouped - 3 * 1024 * 9
    printed = found["conv_weights_per_group"] + found["linear_params"] - 1000 + found["norm_params"]
    assert round(printed / 10**6, 2) == 23.64
