"""The largest sum of tensors that are alive while one layer runs, as runtimes for small devices count it."""

from collections import Counter
from collections.abc import Sequence

from flopcalc.networks.dataflow import Dataflow, Peak, Step, as_moments

_PRODUCERS = frozenset({"conv", "linear", "matmul", "distance"})
# What such a runtime computes together with the step before it, on each result as it is written.
_FOLDED = frozenset({"norm", "act"})


def folded(flow: Dataflow) -> Dataflow:
    """The same steps with batch norm and activation functions as part of the convolution before them.

    An activation function is part of any step before it, such as a sum. A step is folded only if it is the only
    reader of what it reads.
    """
    readers = Counter(tensor for step in flow.steps for tensor in step.reads)
    kept = set(flow.kept)
    maker: dict[int, int] = {}
    steps: list[Step] = []
    for step in flow.steps:
        source = maker.get(step.reads[0]) if len(step.reads) == 1 else None
        if source is not None and step.work in _FOLDED and step.reads[0] not in kept:
            before = steps[source]
            alone = readers[step.reads[0]] == 1 and len(before.writes) == 1 == len(step.writes)
            same = flow.sizes[step.reads[0]] == flow.sizes[step.writes[0]]
            if alone and same and (before.work in _PRODUCERS or step.work == "act"):
                steps[source] = before._replace(writes=step.writes)
                maker[step.writes[0]] = source
                continue
        for tensor in step.writes:
            maker[tensor] = len(steps)
        steps.append(step)
    return flow._replace(steps=tuple(steps))


def peak(flow: Dataflow, order: Sequence[int] | None = None) -> Peak:
    """The peak of an order of the steps (default: as they are).

    What counts while a step runs is what it reads and writes, and what is read later.
    """
    places = list(order) if order is not None else list(range(len(flow.steps)))
    last, kept = flow.last_reads(places), set(flow.kept)
    alive = set(flow.given)
    live = sum(flow.sizes[tensor] for tensor in alive)
    pairs = []
    for place, index in enumerate(places):
        step = flow.steps[index]
        new = [tensor for tensor in step.writes if tensor not in alive]
        alive.update(new)
        live += sum(flow.sizes[tensor] for tensor in new) if step.reuses < 0 else 0
        pairs.append((step.name, live))
        for tensor in {*step.reads, *step.writes}:
            if last[tensor] == place and tensor not in kept and tensor in alive:
                alive.remove(tensor)
                if tensor != step.reuses:
                    live -= flow.sizes[tensor]
    moments = as_moments(pairs)
    highest = max(moments, key=lambda one: one.live, default=None)
    return Peak(highest.live, highest.name, moments) if highest else Peak(live, "")
