"""The LSTM and the GRU, compared with torch's modules in all kinds of cost, and by hand."""

from pathlib import Path
from typing import Any

import pytest

torch: Any = pytest.importorskip("torch")

from helpers import part_total, random_tensor

from flopcalc import FlopcalcError, layer, network, training
from flopcalc.catalog import lookup
from flopcalc.cost.kinds import OF_A_KERNEL
from flopcalc.pytorch import build_layer, build_network
from flopcalc.pytorch.counting.counter import count, count_call
from flopcalc.spec.layer_record import notes

CASES: list[tuple[str, dict[str, Any]]] = [
    ("lstm", {}),
    ("gru", {}),
    ("lstm", {"bias": False}),
    ("gru", {"bias": False, "num_layers": 2}),
    ("lstm", {"bidirectional": True}),
    ("gru", {"bidirectional": True, "num_layers": 3}),
    ("lstm", {"proj_size": 5}),
    ("lstm", {"proj_size": 3, "num_layers": 2, "bidirectional": True}),
]


def _torchs(name: str, c_in: int, hidden: int, options: dict[str, Any], **more: Any) -> Any:
    return {"lstm": torch.nn.LSTM, "gru": torch.nn.GRU}[name](c_in, hidden, **options, **more)


@pytest.mark.parametrize(("name", "options"), CASES, ids=str)
@pytest.mark.parametrize("batch_first", [False, True])
def test_costs_of_torchs_layer(name: str, options: dict[str, Any], batch_first: bool) -> None:
    """Every kind of cost, with the sequence first and with the batch first: 7 steps, 3 samples."""
    e = layer(name, 10, 16, hw=7, batch=3, **options)
    counted = count(_torchs(name, 10, 16, options, batch_first=batch_first), (3, 7, 10) if batch_first else (7, 3, 10))
    assert {kind: e.cost.total(kind) for kind in (*OF_A_KERNEL, "steps")} == {
        kind: counted.total(kind) for kind in (*OF_A_KERNEL, "steps")
    }


@pytest.mark.parametrize(
    "options", [{}, {"bias": False, "num_layers": 2}, {"bidirectional": True, "num_layers": 3}], ids=str
)
def test_arithmetic_of_the_fused_kernel(options: dict[str, Any]) -> None:
    """On the CPU torch runs an LSTM without projection as one kernel for each layer, which has a rule of its own."""
    e = layer("lstm", 10, 16, hw=7, batch=3, **options)
    counted = count_call(_torchs("lstm", 10, 16, options), [torch.zeros(7, 3, 10)], {}, on="cpu")
    for kind in ("params", "macs", "adds", "muls", "other", "activations"):
        assert e.cost.total(kind) == counted.total(kind), kind
    assert e.cost.steps > counted.steps


def test_lstm_by_hand() -> None:
    """25 inputs and 100 hidden elements: 4 (25 + 100) 100 weights, and 2 x 400 biases.

    With the one bias for each gate of Keras it has 50,400 parameters. 30 steps use each weight once.
    """
    e = layer("lstm", 25, 100, hw=30)
    assert (e.params, e.macs) == (50_400 + 400, 30 * 50_000)
    assert e.out_shape == (100, 1, 30)
    # A bidirectional second layer reads 200 channels.
    two = layer("lstm", 25, 100, hw=30, num_layers=2, bidirectional=True)
    assert two.macs == 30 * 2 * (50_000 + 4 * 100 * (200 + 100))
    assert two.out_shape == (200, 1, 30)


def test_gru_by_hand() -> None:
    """3 gates instead of 4: three quarters of the products of the LSTM."""
    e = layer("gru", 25, 100, hw=30)
    assert (e.params, e.macs) == (3 * (25 + 100 + 2) * 100, 30 * 37_500)


def test_projection_by_hand() -> None:
    """A state of 20 instead of 100: 4 x 100 rows of 25 + 20, and 100 x 20 weights that make it."""
    e = layer("lstm", 25, 100, hw=30, proj_size=20, bias=False)
    assert e.params == 400 * 45 + 2000
    assert e.macs == 30 * e.params
    assert e.out_shape == (20, 1, 30)


@pytest.mark.parametrize("name", ["lstm", "gru"])
def test_the_module_gives_what_torchs_gives(name: str) -> None:
    """Tokens along the width; the same weights give the same outputs."""
    options = {"num_layers": 2, "bidirectional": True, **({"proj_size": 3} if name == "lstm" else {})}
    ours: Any = build_layer(layer(name, 6, 8, hw=5, batch=2, **options), dtype=torch.float64)
    theirs = _torchs(name, 6, 8, options, dtype=torch.float64)
    with torch.no_grad():
        for index, suffix in enumerate(("l0", "l0_reverse", "l1", "l1_reverse")):
            for part, kind in ((ours.input, "ih"), (ours.hidden, "hh")):
                getattr(theirs, f"weight_{kind}_{suffix}").copy_(part[index].weight)
                getattr(theirs, f"bias_{kind}_{suffix}").copy_(part[index].bias)
            if name == "lstm":
                getattr(theirs, f"weight_hr_{suffix}").copy_(ours.projection[index].weight)
    x = random_tensor(2, 6, 1, 5)
    expected = theirs(x[:, :, 0].permute(2, 0, 1))[0]
    assert torch.allclose(ours(x)[:, :, 0].permute(2, 0, 1), expected)


def test_in_a_description(tmp_path: Path) -> None:
    """The columns of a map as steps, as in networks that read text: 4 channels of 6 rows are 24 inputs."""
    path = tmp_path / "net.yaml"
    path.write_text(
        "input: [1, 12, 40]\n"
        "layers:\n"
        "  - conv: {op: conv, out: 4, k: 3, stride: [12, 2], padding: 1}\n"
        "  - lstm: {op: lstm, out: 16, bidirectional: true, num_layers: 2}\n"
        "  - gru: {op: gru, out: 5}\n"
        "  - classes: {op: linear, out: 10}\n"
    )
    net = network(str(path), batch=2)
    assert [one.out_shape for one in net.layers] == [(4, 1, 20), (32, 1, 20), (5, 1, 20), (10, 1, 20)]
    counted = count(build_network(net, device="meta"), (2, 1, 12, 40))
    assert {kind: net.total(kind) for kind in OF_A_KERNEL} == {kind: counted.total(kind) for kind in OF_A_KERNEL}


def test_what_does_not_apply() -> None:
    """A projection that is not smaller, a kernel, and a map with several rows."""
    with pytest.raises(FlopcalcError, match="proj_size = 16 is not less"):
        layer("lstm", 8, 16, proj_size=16)
    with pytest.raises(FlopcalcError, match="kernel 1"):
        layer("lstm", 8, k=3)
    with pytest.raises(FlopcalcError, match="works along one axis"):
        layer("gru", 8, hw=(4, 9))


def test_a_map_with_rows_is_refused(tmp_path: Path) -> None:
    """In a description: the error says which shape it takes."""
    path = tmp_path / "net.yaml"
    path.write_text("input: [8, 4, 9]\nlayers:\n  - lstm: {op: lstm, out: 16}\n")
    with pytest.raises(FlopcalcError, match="it takes 8x1x9, and its input is 8x4x9"):
        network(str(path))


@pytest.mark.parametrize("name", ["lstm", "gru"])
def test_the_share_that_waits(name: str) -> None:
    """The products with the state, of both directions of all layers, that of a projection too."""
    for given in ({}, {"bidirectional": True, "num_layers": 3}):
        e = layer(name, 5, 8, hw=7, batch=2, **given)
        share = 100 * part_total(e, "hidden", "macs") / e.macs
        assert f"; {share:.1f} % of the MACs multiply the state and wait" in notes(e)[0]


def test_the_gradient_of_a_new_state() -> None:
    """h = n + z (h - n): sums and a difference hand a gradient on, and the difference changes one sign."""
    e = layer("gru", 5, 8, hw=7, batch=2)
    (passed,) = training(e).backward.layers
    (update,) = (part for part in passed.cost if part.name.startswith("update"))
    assert (update.adds, update.other) == (0, 2 * 7 * 8)


@pytest.mark.parametrize("name", ["lstm", "gru"])
def test_the_module_that_counters_know(name: str) -> None:
    """The class of torch that the record names has the operator's weights."""
    module = getattr(torch.nn, lookup.get(name).torch_module)(6, 8, device="meta")
    assert sum(one.numel() for one in module.parameters()) == layer(name, 6, 8).params
