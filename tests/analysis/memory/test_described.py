"""Memory of described networks in inference, by hand and against their modules."""

import random
from itertools import permutations

import pytest
from helpers import Runner, WriteNetwork

import flopcalc
from flopcalc import FlopcalcError, memory, network
from flopcalc.analysis.memory.described import weights
from flopcalc.analysis.memory.ordering import best_order
from flopcalc.analysis.memory.planning import folded, peak
from flopcalc.networks.dataflow import Dataflow, Step

# Maps of 4 x 8 x 8 = 256 elements, 1024 bytes.
MAP = 4 * 8 * 8 * 4
CHAIN = """\
name: chain
title: A chain
input: [3, 8, 8]
layers:
  - conv1: {op: conv, out: 4}
  - bn1: batchnorm
  - relu1: relu
  - body:
      layers:
        - conv2: {op: conv, out: 4}
        - conv3: {op: conv, out: 4}
  - pool: global_avgpool
  - flat: flatten
  - fc: {op: linear, out: 10}
"""


def test_a_chain_by_hand(write_network: WriteNetwork) -> None:
    """Eager: the input of `body` lives while body runs, so that three maps are alive in its last convolution."""
    found = memory(write_network(CHAIN))
    live = {one.name: one.live for one in found.layers}
    assert live["conv1"] == MAP
    # Input and output, with a mean and a deviation of each of 4 channels.
    assert live["bn1"] == 2 * MAP + 2 * 4 * 4
    assert live["relu1"] == MAP
    assert live["body.conv2"] == 2 * MAP
    assert live["body.conv3"] == found.activations_peak == 3 * MAP
    assert found.activations_at == "body.conv3"
    # The mean of each channel; flatten is a view, and ten numbers more.
    assert live["pool"] == MAP + 4 * 4
    assert live["flat"] == 4 * 4
    assert live["fc"] == 4 * 4 + 10 * 4
    # A planner needs the input (192 elements) and a map, then two maps.
    assert (found.layer_peak, found.layer_peak_at) == (2 * MAP, "body.conv2")
    assert found.weights == 4 * (4 * 3 * 9 + 2 * 4 + 2 * 4 * 4 * 9 + 5 * 10)
    assert found.buffers == 4 * 2 * 4 + 8
    assert found.input == 3 * 64 * 4
    # Blocks of 512 bytes: conv1 432 bytes, norm 4 x 16 and a counter, conv2 and conv3 576 each, fc 160 and 40, the
    # input 768.
    assert found.peak == 512 * (1 + 5 + 2 + 2 + 2 + 2) + 3 * MAP


@pytest.mark.parametrize(
    "norm",
    ["batchnorm", "{op: batchnorm, frozen: true}", "instancenorm", "{op: instancenorm, affine: true}", "layernorm"],
)
def test_buffers_of_norms(norm: str, write_network: WriteNetwork) -> None:
    """Only a batch norm has them, also a frozen one; those of the module that is built."""
    pytest.importorskip("torch")
    from flopcalc.pytorch import build_network

    path = write_network(f"input: [8, 5, 5]\nlayers:\n  - norm: {norm}\n")
    module = build_network(flopcalc.network(path))
    assert memory(path).buffers == sum(one.numel() * one.element_size() for one in module.buffers())


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize(
    "norm",
    [
        "batchnorm",
        "layernorm",
        "rmsnorm",
        "instancenorm",
        "groupnorm",
        *(f"{{op: groupnorm, groups: {n}}}" for n in (1, 8)),
    ],
)
def test_norms_are_as_their_modules(norm: str, batch: int, write_network: WriteNetwork) -> None:
    """What a norm makes next to its output: the tensors alive are those of the module that is run."""
    pytest.importorskip("torch")
    from flopcalc.pytorch import build_network

    path = write_network(f"name: n\ninput: [32, 6, 10]\nlayers:\n  - a: {{op: conv, out: 32}}\n  - b: {norm}\n")
    module = build_network(network(path)).eval()
    counted = memory(module, input=(32, 6, 10), batch=batch)
    assert memory(path, batch=batch).activations_peak == counted.activations_peak


def test_the_blocks_of_a_weight_and_a_bias(write_network: WriteNetwork) -> None:
    """Each in blocks of 512 bytes: 1,728 numbers in 14 blocks, which the 16 of the bias do not share; 160 + 10."""
    path = write_network(
        "name: n\ninput: [12, 8, 8]\nlayers:\n  - a: {op: conv, out: 16, bias: true}\n  - p: global_avgpool\n"
        "  - f: flatten\n  - fc: {op: linear, out: 10}\n"
    )
    assert weights(network(path), 4).in_blocks == (14 + 1 + 2 + 1) * 512


def test_resnet50_has_both_figures() -> None:
    """A map of 256 x 56 x 56 three times, the block's input, and 512 numbers of the norm; without the norm a sum."""
    wide, narrow = 256 * 56 * 56, 64 * 56 * 56
    found = memory("resnet50", order="best").to_dict()
    assert found["activations_peak_elements"] == 3 * wide + narrow + 2 * 256 == 2_609_664
    assert found["layer_peak_elements"] == 3 * wide
    assert found["best_order"]["proved"]
    assert found["best_order"]["peak_bytes"] == 4 * 3 * wide
    assert found["weights_bytes"] == 4 * 25_557_032


@pytest.mark.parametrize(("dtype", "size"), [("float16", 2), ("float64", 8), ("int8", 1)])
def test_sizes_follow_batch_and_dtype(dtype: str, size: int) -> None:
    """Maps are proportional to the batch; weights are not."""
    plain, other = memory("resnet18"), memory("resnet18", batch=3, dtype=dtype)
    assert other.input * 4 == plain.input * 3 * size
    assert other.weights * 4 == plain.weights * size
    assert other.layer_peak is not None
    assert plain.layer_peak is not None
    assert other.layer_peak * 4 == plain.layer_peak * 3 * size


def test_the_best_order_by_hand() -> None:
    """A long branch and a short one: the branch that shrinks the tensor must run first.

    x (10) -> a (100) -> b (1); x -> c (50); b, c -> d (1). As given, with c first: c and x and a are alive together.
    """
    steps = (
        Step("c", (0,), (1,)),
        Step("a", (0,), (2,)),
        Step("b", (2,), (3,)),
        Step("d", (1, 3), (4,)),
    )
    flow = Dataflow(steps, (10, 50, 100, 1, 1), (0,), (4,))
    assert peak(flow).live == 10 + 50 + 100
    best = best_order(flow)
    assert best.proved
    assert [steps[index].name for index in best.order] == ["a", "b", "c", "d"]
    assert best.peak.live == 10 + 100 + 1
    # With too few states it says so, and stays with the order that it has.
    limited = best_order(flow, limit=1)
    assert not limited.proved
    assert limited.peak.live == 160


def test_a_tensor_is_read_before_it_is_overwritten() -> None:
    """The write into a part of x comes after the step that reads the old x, although running it first needs less."""
    steps = (
        Step("make", (0,), (1,)),
        Step("read", (1,), (2,)),
        Step("write", (1,), (3,), reuses=1),
        Step("small", (3,), (4,)),
        Step("join", (2, 4), (5,)),
    )
    best = best_order(Dataflow(steps, (1, 10, 50, 10, 1, 1), (0,), (5,)))
    names = [steps[index].name for index in best.order]
    assert names.index("read") < names.index("write")


@pytest.mark.parametrize("seed", range(25))
def test_the_best_order_is_that_of_brute_force(seed: int) -> None:
    """On random graphs of seven steps."""
    draw = random.Random(seed)  # noqa: S311
    sizes = [draw.randint(1, 20)]
    steps = []
    for index in range(7):
        reads = tuple(sorted({draw.randrange(len(sizes)) for _ in range(draw.choice((1, 1, 2)))}))
        steps.append(Step(f"s{index}", reads, (len(sizes),)))
        sizes.append(draw.randint(1, 20))
    read = {tensor for step in steps for tensor in step.reads}
    flow = Dataflow(tuple(steps), tuple(sizes), (0,), tuple(one for one in range(1, 8) if one not in read))

    def valid(order: tuple[int, ...]) -> bool:
        made = {0}
        for index in order:
            if not made.issuperset(steps[index].reads):
                return False
            made.update(steps[index].writes)
        return True

    least = min(peak(flow, order).live for order in permutations(range(7)) if valid(order))
    best = best_order(flow)
    assert best.proved
    assert valid(best.order)
    assert best.peak.live == least


def test_folding_needs_a_single_reader() -> None:
    """A norm whose input another step reads too stays a step of its own, and so does one behind a sum."""
    steps = (
        Step("conv", (0,), (1,), "conv"),
        Step("norm", (1,), (2,), "norm"),
        Step("act", (2,), (3,), "act"),
        Step("add", (1, 3), (4,), "add"),
        Step("norm2", (4,), (5,), "norm"),
    )
    flow = Dataflow(steps, (8,) * 6, (0,), (5,))
    assert [step.name for step in folded(flow).steps] == ["conv", "norm", "add", "norm2"]


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"mode": "train"}, "unknown mode"),
        ({"dtype": "float8"}, "unknown dtype"),
        ({"optimizer": "adam"}, "--optimizer is about training"),
        ({"checkpoint": "layer*"}, "--checkpoint is about training"),
        ({"mode": "training", "order": "best"}, "--order best is about inference"),
        ({"mode": "training", "dtype": "int8"}, "int8 cannot be trained"),
        ({"mode": "training", "accumulate": 0}, "accumulate is 0"),
        ({"mode": "training", "autocast": "float16", "dtype": "float16"}, "autocast keeps weights in float32"),
    ],
)
def test_bad_requests(options: dict[str, str], error: str) -> None:
    """Each is one sentence, with what to do."""
    with pytest.raises(FlopcalcError, match=error) as raised:
        memory("resnet18", **options)  # type: ignore[arg-type]
    assert raised.value.hint


def test_the_command_shows_a_chart(run: Runner) -> None:
    """By stage for long networks, by layer where asked for; JSON as the contract says; CSV has all layers."""
    table = run("memory", "resnet50")
    assert table.code == 0
    assert "2,609,664 elements" in table.out
    assert "2,408,448 elements" in table.out
    assert "layer1   10,438,656       100.0%" in table.out
    rows = run("memory", "resnet50", "--format", "csv").out.splitlines()
    assert rows[0] == "layer,live_bytes,share"
    assert len(rows) == 1 + len(flopcalc.network("resnet50").layers)
    assert "layer1.0.conv1" in run("memory", "resnet50", "--by", "layer").out
    assert run("memory", "resnet50", "--mode", "trianing").code == 2


def test_the_record() -> None:
    """The keys of the contract, rows, and a short text."""
    found = memory("resnet18", batch=2)
    keys = {
        *("schema", "target", "batch", "dtype", "mode", "optimizer", "weights_bytes", "buffers_bytes", "input_bytes"),
        *("activations_peak_bytes", "saved_bytes", "gradients_bytes", "optimizer_bytes", "workspace_bytes"),
        *("peak_bytes", "peak_at", "notes"),
    }
    record = found.to_dict()
    assert keys <= set(record)
    assert record["schema"] == "flopcalc/memory/1"
    assert repr(found).startswith("<Memory of resnet18: inference, batch 2, float32, peak ")
    assert found.to_rows()[0] == {"layer": "conv1", "live_bytes": 2 * 64 * 112 * 112 * 4}
    assert "<table>" in (found._repr_html_() or "")


def test_a_concatenation_reads_all_its_pieces(write_network: WriteNetwork) -> None:
    """Ghost joins half of the channels with those made of them: both halves and the result are alive."""
    ghost = write_network("name: one\ninput: [4, 8, 8]\nlayers: [{a: {op: ghost, out: 4}}]\n")
    assert memory(ghost).activations_peak == 2 * MAP
