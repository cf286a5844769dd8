"""The lines of `explain` lead from the MACs to the number of each counter."""

from typing import Any

import pytest

from flopcalc import network
from flopcalc.analysis.explain import explain, explain_record
from flopcalc.cost import convention
from flopcalc.networks.counted import counted

NAMES = ("resnet50", "mobilenet_v2", "vit_b_16", "swin_t", "convnext_tiny", "densenet121", "mobilevit_xxs")


@pytest.mark.parametrize("name", NAMES)
def test_the_lines_add_up(name: str) -> None:
    """Exactly, for every convention."""
    described = network(name)
    for row in explain(described, convention.CONVENTIONS):
        assert described.macs + sum(step.amount for step in row.steps) == row.figure, row.tool
        assert row.figure == counted(described, convention.get(row.tool)).total


# As those tools report them for torchvision's models; measured with the versions that the conventions name.
MEASURED = {
    ("mobilenet_v2", "ptflops"): 320_300_008,
    ("mobilenet_v2", "thop"): 327_486_720,
    ("mobilenet_v3_large", "ptflops"): 231_316_416,
    ("efficientnet_b0", "ptflops"): 410_196_896,
    ("swin_t", "ptflops"): 3_128_183_416,
    ("swin_t", "torchinfo"): 34_368_232,
    ("vit_b_16", "torchinfo"): 173_232_616,
    ("convnext_tiny", "torchinfo"): 322_371_592,
    ("convnext_tiny", "thop"): 4_464_149_760,
}


@pytest.mark.parametrize(("name", "tool"), MEASURED)
def test_figures_of_the_tools(name: str, tool: str) -> None:
    """Of descriptions, without torch."""
    assert counted(network(name), convention.get(tool)).total == MEASURED[name, tool]


def test_what_the_lines_say() -> None:
    """fvcore on ViT-B/16: 12 layers of attention products are not seen; 25 norms have 5 operations per element."""
    (row,) = explain(network("vit_b_16"), ["fvcore"])
    # 197 tokens, 12 heads of 64 channels: two products of 197 x 64 x 197 for each head; norms of 197 x 768 elements.
    assert [(step.amount, len(step.layers)) for step in row.steps] == [
        (-12 * 12 * 2 * 197 * 64 * 197, 12),
        (25 * 5 * 197 * 768, 25),
    ]
    assert "attention" in row.steps[0].what
    assert row.steps[1].what == "layer norm, 5 per element"


def test_a_tool_that_differs_is_reported() -> None:
    """With the exact difference; and one that is not installed, with the reason."""
    described = network("resnet18")
    expected = counted(described, convention.get("fvcore")).total
    answers: dict[str, Any] = {"fvcore": (expected + 7, "0.2"), "thop": "thop is not installed"}
    fvcore, thop = explain(described, ["fvcore", "thop"], lambda name: answers[name])
    assert (fvcore.measured, fvcore.exact, fvcore.why_not) == (expected + 7, False, "fvcore 0.2 reports +7")
    assert (thop.measured, thop.why_not) == (None, "it gives no figure: thop is not installed")


def test_the_mean_over_the_batch() -> None:
    """The hooks of ptflops report it: a line of its own, which is not a difference in the convolutions."""
    described = network("resnet18", batch=4)
    (row,) = explain(described, ["ptflops"])
    assert [(step.what, step.amount) for step in row.steps[:2]] == [
        ("the mean over the batch of 4, where hooks count", -3 * described.macs // 4),
        # Of one sample.
        ("biases", 1000),
    ]


@pytest.mark.parametrize("name", ["keras", "open-model-zoo"])
def test_two_operations_for_each_mac(name: str) -> None:
    """Each of these counts them."""
    described = network("resnet18")
    (row,) = explain(described, [name])
    assert (row.steps[0].what, row.steps[0].amount) == (
        "a second operation for each multiply-accumulate",
        described.macs,
    )
    assert not [step for step in row.steps if "another way" in step.what]


def test_the_json_contract() -> None:
    """Keys as design and docs have them."""
    described = network("resnet18")
    record = explain_record(described, "resnet18", explain(described, ["fvcore"]))
    assert record["schema"] == "flopcalc/explain/1"
    assert record["macs"] == described.macs
    (row,) = record["rows"]
    assert set(row) == {"tool", "version", "figure", "steps", "measured", "exact", "why_not"}
    assert set(row["steps"][0]) == {"what", "amount", "layers"}


# As projects print them for networks that are described; with the digits that they print.
PRINTED = {
    ("resnet50", "pycls"): (4_089_185_256, 1),
    ("resnet50", "open-model-zoo"): (8_216_000_000, 10**6),
    ("resnet50", "paddle-flops"): (4_110_000_000, 10**7),
    ("squeezenet1_0", "convnet-burden"): (837_000_000, 10**6),
    ("squeezenet1_1", "convnet-burden"): (360_000_000, 10**6),
    ("mobilenet_v1", "convnet-burden"): (579_000_000, 10**6),
    ("resnet50", "keras"): (8_180_000_000, 10**7),
}


@pytest.mark.parametrize(("name", "convention_name"), PRINTED)
def test_figures_of_projects(name: str, convention_name: str) -> None:
    """Their figure, to the last digit."""
    printed, unit = PRINTED[name, convention_name]
    found = counted(network(name), convention.get(convention_name)).total
    assert round(found / unit) * unit == printed
