"""The least possible peak over all orders in which the steps of a network may run."""

from collections.abc import Sequence
from heapq import heappop, heappush
from typing import NamedTuple

from flopcalc.analysis.memory.planning import peak
from flopcalc.networks.dataflow import Dataflow, Peak

# States of the search, for each stretch of steps between two that every order has at the same place.
LIMIT = 200_000


class BestOrder(NamedTuple):
    """The peak of the best order that was found. order: its steps. proved: whether no order has a lower peak.

    states: how many sets of steps the search has looked at.
    """

    peak: Peak
    order: tuple[int, ...]
    proved: bool
    states: int


def best_order(flow: Dataflow, limit: int = LIMIT) -> BestOrder:
    """The order with the lowest peak, exactly, unless a stretch has more than `limit` states.

    A step that runs after all steps before it and before all steps after it, in any order, divides the network into
    stretches that are searched separately. Within a stretch the steps that have run are a state, and a best-first
    search over states finds the order whose highest sum is the lowest. Where a stretch has too many states, its steps
    stay in their order; the result is still proved if its peak is that of the step that needs most by itself.
    """
    search = _Search(flow)
    order: list[int] = []
    complete = True
    states = 0
    for stretch in search.stretches():
        found, looked = search.best(stretch, order, limit)
        states += looked
        complete = complete and found is not None
        order += found if found is not None else stretch
    result = peak(flow, order)
    return BestOrder(result, tuple(order), complete or result.live <= search.least, states)


class _Search:
    def __init__(self, flow: Dataflow) -> None:
        self.flow = flow
        maker = {tensor: index for index, step in enumerate(flow.steps) for tensor in step.writes}
        self.needs = [
            sum({1 << maker[tensor] for tensor in step.reads if tensor in maker and maker[tensor] != index})
            for index, step in enumerate(flow.steps)
        ]
        for index, step in enumerate(flow.steps):
            # What reads a tensor before a part of it is overwritten stays before that.
            if step.reuses >= 0:
                earlier = [one for one in range(index) if step.reuses in flow.steps[one].reads]
                self.needs[index] |= sum(1 << one for one in earlier)
        self.readers = [0] * len(flow.sizes)
        for index, step in enumerate(flow.steps):
            for tensor in {*step.reads, *step.writes}:
                self.readers[tensor] |= 1 << index
        for tensor in flow.kept:
            # Read by no step: it stays.
            self.readers[tensor] |= 1 << len(flow.steps)
        # What the step that needs most has as inputs and outputs: no order is below.
        self.least = max(map(self._of_step, range(len(flow.steps))), default=0)

    def _of_step(self, index: int) -> int:
        step = self.flow.steps[index]
        tensors = {*step.reads, *(step.writes if step.reuses < 0 else ())}
        return sum(self.flow.sizes[tensor] for tensor in tensors)

    def stretches(self) -> list[list[int]]:
        """The steps, divided behind those that every order has at the same place."""
        count = len(self.needs)
        before = [0] * count
        for index in range(count):
            reached, needed = self.needs[index], self.needs[index]
            while needed:
                low = needed & -needed
                reached |= before[low.bit_length() - 1]
                needed ^= low
            before[index] = reached
        followers = [0] * count
        for reached in before:
            left = reached
            while left:
                low = left & -left
                followers[low.bit_length() - 1] += 1
                left ^= low
        found: list[list[int]] = [[]]
        for index in range(count):
            found[-1].append(index)
            if before[index].bit_count() == index and followers[index] == count - 1 - index:
                found.append([])
        return [stretch for stretch in found if stretch]

    def best(self, stretch: Sequence[int], done: Sequence[int], limit: int) -> tuple[list[int] | None, int]:
        """The best order of a stretch after the steps `done`, None where it has too many states; and their number."""
        start = sum(1 << index for index in done)
        end = start | sum(1 << index for index in stretch)
        if len(stretch) == 1:
            return list(stretch), 1
        live = sum(self.flow.sizes[one] for one in self._alive(start))
        heap = [(self.least, 0, start, live)]
        came: dict[int, tuple[int, int]] = {start: (-1, -1)}
        highest: dict[int, int] = {start: self.least}
        closed: set[int] = set()
        while heap:
            top, _, state, live = heappop(heap)
            if state in closed:
                continue
            if state == end:
                return self._way(came, end), len(closed)
            closed.add(state)
            if len(closed) > limit:
                break
            for index in stretch:
                if state >> index & 1 or self.needs[index] & ~state:
                    continue
                during, after = self._run(index, state, live)
                worst = max(top, during)
                new = state | 1 << index
                if new not in closed and worst < highest.get(new, worst + 1):
                    highest[new] = worst
                    came[new] = (state, index)
                    heappush(heap, (worst, -new.bit_count(), new, after))
        return None, len(closed)

    def _alive(self, state: int) -> list[int]:
        """The tensors that are there after these steps and that a later step reads."""
        made = set(self.flow.given)
        for index, step in enumerate(self.flow.steps):
            if state >> index & 1:
                made.update(step.writes)
        return [tensor for tensor in made if self.readers[tensor] & ~state]

    def _run(self, index: int, state: int, live: int) -> tuple[int, int]:
        """The bytes alive while a step runs, and after it."""
        step, sizes = self.flow.steps[index], self.flow.sizes
        during = live + (sum(sizes[tensor] for tensor in step.writes) if step.reuses < 0 else 0)
        new = state | 1 << index
        after = during
        for tensor in {*step.reads, *step.writes}:
            if not self.readers[tensor] & ~new and tensor != step.reuses:
                after -= sizes[tensor]
        return during, after

    @staticmethod
    def _way(came: dict[int, tuple[int, int]], state: int) -> list[int]:
        order: list[int] = []
        while came[state][0] >= 0:
            state, index = came[state]
            order.append(index)
        return order[::-1]
