"""torch's compiler goes on as before after a count: functions are compiled again, and branches and loops still run."""

import pytest
from helpers import fresh

pytest.importorskip("torch")

SETUP = """
import torch
from torch import nn
from flopcalc.pytorch import counted_network
from flopcalc.pytorch.counting.counter import count_call

graphs = []

def backend(graph, inputs):
    graphs.append(graph)
    return graph

@torch.compile(fullgraph=True, backend=backend)
def gate(x):
    return torch.sigmoid(x) * x

class Gated(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(8, 4)

    def forward(self, x):
        return gate(self.linear(x))

class Chosen(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(4, 4))

    def forward(self, x):
        return torch.cond(x.sum() > 1e9, lambda t: self.weight @ t, lambda t: self.weight @ t + 1, (x,))

def count_in_all_ways(module, shape):
    counts = [count_call(module, [shape], witness=one) for one in ("trace", "dispatch")]
    counts.append(count_call(module, [shape], on="cpu"))
    network = counted_network(module, shape[1:], shape[0])
    assert network.replay.log()
    assert network.replay.differentiated(())
    network.replay.figure("fvcore")
    assert {one.macs for one in counts} == {network.total("macs")}
    return network.total("macs")
"""
COMPILED = """
gated, inputs = Gated(), torch.randn(6, 8)
gated(inputs)
assert len(graphs) == 1
# 6 rows of 8 x 4.
assert count_in_all_ways(gated, (6, 8)) == 192
gated(inputs)
assert len(graphs) == 1
# Another dtype is compiled again.
gated.double()(inputs.double())
assert len(graphs) == 2
"""
FIRST_COUNTED = """
gated = Gated()
assert count_in_all_ways(gated, (6, 8)) == 192
assert not graphs
gated(torch.randn(6, 8))
assert len(graphs) == 1
"""
# Without the set-up, which imports the compiler.
IN_THE_FORWARD = """
import sys
import torch
from torch import nn
from flopcalc.pytorch.counting.counter import count_call

graphs = []

def backend(graph, inputs):
    graphs.append(graph)
    return graph

class Late(nn.Linear):
    def forward(self, x):
        return torch.compile(lambda y: torch.sigmoid(y) * y, fullgraph=True, backend=backend)(super().forward(x))

late = Late(8, 4)
assert "torch._dynamo" not in sys.modules
for one in ("trace", "dispatch"):
    assert count_call(late, [(6, 8)], witness=one).macs == 192
assert not graphs
late(torch.randn(6, 8))
assert len(graphs) == 1
"""
BRANCHES = """
chosen = Chosen()
# The compiler is imported by the first count.
assert count_call(chosen, [(4, 3)]).macs == 48
with torch.no_grad():
    chosen(torch.randn(4, 3))
assert count_call(chosen, [(4, 3)]).macs == count_call(chosen, [(4, 3)], witness="dispatch").macs == 48
with torch.no_grad():
    chosen(torch.randn(4, 3))
    Chosen()(torch.randn(4, 3))
"""
THREADS = """
from threading import Barrier, Thread
from torch._dynamo import eval_frame
import torch._dynamo

stance, barrier, seen = eval_frame._stance, Barrier(4), []

class Waits(nn.Linear):
    def forward(self, x):
        barrier.wait(60)
        return super().forward(x)

threads = [Thread(target=lambda: seen.append(count_call(Waits(4, 4), [(1, 4)]).macs)) for _ in range(4)]
for one in threads:
    one.start()
for one in threads:
    one.join()
assert seen == [16] * 4
assert eval_frame._stance == stance
"""
FAKE = """
from torch._subclasses.fake_tensor import FakeTensorMode
from flopcalc import memory

class Doubled(nn.Linear):
    def forward(self, x):
        return super().forward(x) @ torch.ones(4, 4)

with FakeTensorMode() as mode:
    model, given = Doubled(8, 4), torch.ones(2, 8)
    for way in ({}, {"witness": "dispatch"}, {"on": "cpu"}):
        assert count_call(model, [given], **way).macs == 2 * 8 * 4 + 2 * 4 * 4
    assert memory(model, (8,)).weights == 4 * 36
    # The mode is on again.
    assert type(torch.ones(2)) is type(given) is type(model.weight.data) is not torch.Tensor
"""


@pytest.mark.parametrize(
    "source",
    [*(SETUP + steps for steps in (COMPILED, FIRST_COUNTED, BRANCHES, THREADS, FAKE)), IN_THE_FORWARD],
    ids=["before", "after", "cond", "threads", "fake", "in the forward"],
)
def test_code_is_compiled_as_before(source: str) -> None:
    """Each in a process of its own, since the compiler is the process's."""
    done = fresh(source)
    assert done.code == 0, done.err
