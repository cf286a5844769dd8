"""Sequences of a description are rows, channels x 1 x steps."""

from pathlib import Path

import pytest

from flopcalc import FlopcalcError, layer, network


@pytest.mark.parametrize(("one_axis", "other"), [("conv1d", "conv"), ("depthwise1d", "depthwise")])
def test_a_convolution_along_a_row(one_axis: str, other: str, tmp_path: Path) -> None:
    """A layer of one axis takes no row; the hint names the layer that does, whose cost is the same."""
    path = tmp_path / "net.yaml"
    path.write_text(f"input: [8, 1, 20]\nlayers:\n  - a: {{op: {one_axis}}}\n")
    with pytest.raises(FlopcalcError, match="it takes 8x20, and its input is 8x1x20") as caught:
        network(str(path))
    entry = f"{{op: {other}, k: 1x3}}"
    assert f"write {entry}, which costs the same" in caught.value.hint
    path.write_text(f"input: [8, 1, 20]\nlayers:\n  - a: {entry}\n")
    net = network(str(path))
    # 20 places, 3 taps, and 8 input channels or one.
    assert net.macs == 20 * 3 * 8 * (8 if other == "conv" else 1)
    alone = layer(one_axis, 8, hw=20, k=3).cost
    for kind in ("params", "macs", "activations", "traffic", "steps"):
        assert net.total(kind) == alone.total(kind), kind
