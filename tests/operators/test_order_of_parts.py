"""What each part of an operator waits for, and its steps, compared with the data that goes through its module."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest

torch: Any = pytest.importorskip("torch")

from helpers import for_author, import_torchvision
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from flopcalc.catalog import lookup
from flopcalc.catalog.cases import cases
from flopcalc.cost.cost import PREVIOUS
from flopcalc.pytorch import build_layer
from flopcalc.pytorch.counting.kernels import tensors
from flopcalc.pytorch.layers import input_shape
from flopcalc.spec.operator import Evaluation, Operator

# The layer's input, among the parts that a part reads.
INPUT = "(input)"
# Their parts run once in each round, so an early part reads what a later one made in the round before.
ROUNDS = {"compconv", "criss_cross", "gru", "lstm", "mamba", "sic"}
# They also read what a part before the one that they wait for made, which their formulas do not say.
ALSO_READ = {
    *(("attention", name) for name in ("scores", "mix")),
    *(("axial_attention", f"{axis}.{name}") for axis in ("rows", "columns") for name in ("scores", "mix")),
    *(("mobileone", name) for name in ("depthwise.se.scale", "pointwise.se.scale", "pointwise.act")),
    *(("cbam", "spatial.scale"), ("fused_mbconv", "se.scale"), ("mbconv", "se.scale"), ("gqa", "projection")),
    *(("ghost", "join"), ("ghostv2", "join"), ("gsconv", "join"), ("scconv", "join"), ("scconv", "weigh")),
    *(("spconv", "fusion"), ("winograd", "arrange")),
}
# A transform runs its products by constants between its sums, twice; its steps are those of both together.
BETWEEN = {"winograd": ("data.scale", "weights.scale", "output.scale")}
# With several layers, the product with the input of a layer runs where the first one with its state would.
RECURRENT = {"gru", "lstm"}
# A constant of each round: no kernel waits for it, and the rounds are counted one after the other.
CONSTANTS = {("criss_cross", "columns.mask")}


class Readers(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """While it is on: for each part, the parts and inputs whose memory its kernels read, directly.

    longest: for each part, the most of its kernels that wait for each other, directly or through other kernels.
    joined: the parts whose kernels are counted with those of another part.
    """

    def __init__(self, parts: list[str], given: list[Tensor], joined: Mapping[str, str]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.parts, self.running, self.joined = parts, [""], joined
        # Memory is known by its address, so nothing may be freed.
        self.kept: list[Any] = []
        self.written: dict[int, set[str]] = {_memory(tensor): {INPUT} for tensor in given}
        self.reads: dict[str, set[str]] = defaultdict(set)
        self.before: dict[int, Counter[str]] = {}
        self.longest: Counter[str] = Counter()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        taken, made = tensors([*args, *(kwargs or {}).values()]), tensors(out)
        self.kept += made
        known = {_memory(tensor) for tensor in taken}
        fresh = [tensor for tensor in made if _memory(tensor) not in known]
        changed = [tensor for tensor in made if func._schema.is_mutable and _memory(tensor) in known]
        if not fresh and not changed:
            return out  # a view
        part = self._part()
        self.reads[part] |= {one for tensor in taken for one in self.written.get(_memory(tensor), ())}
        for tensor in fresh:
            self.written[_memory(tensor)] = {part}
        for tensor in changed:
            self.written.setdefault(_memory(tensor), set()).add(part)
        # A kernel that reads nothing fills a constant.
        if taken and func._schema.name != "aten::new_zeros":
            self._follow_chain(self.joined.get(part, part), taken, [*fresh, *changed])
        return out

    def _follow_chain(self, part: str, taken: list[Tensor], made: list[Tensor]) -> None:
        """What a kernel of a part made comes after it, and after all that what it took comes after."""
        chain: Counter[str] = Counter()
        for tensor in taken:
            chain |= self.before.get(_memory(tensor), Counter())
        chain[part] += 1
        self.longest |= chain
        for tensor in made:
            self.before[_memory(tensor)] = chain

    @contextmanager
    def follow(self, module: nn.Module) -> Iterator[None]:
        """Know which child runs."""
        for name, child in module.named_modules():
            child.register_forward_pre_hook(lambda *_, name=name: self.running.append(name))
            # A hook that returns a value replaces the output.
            child.register_forward_hook(lambda *_: self.running.pop() and None)
        with self:
            yield

    def _part(self) -> str:
        """The part of the child that runs, by the longest name; indices of lists may be left out."""
        pieces = self.running[-1].split(".")
        bare = [piece for piece in pieces if not piece.isdigit()]
        names = [".".join(one[:length]) for one in (pieces, bare) for length in range(1, len(one) + 1)]
        fits = [name for name in names if name in self.parts]
        if not fits and len(self.parts) == 1:
            return self.parts[0]
        return max(fits, key=lambda name: name.count("."), default=f"(outside the parts: {self.running[-1]})")


def _memory(tensor: Tensor) -> int:
    return int(tensor.untyped_storage()._cdata)


def _all_before(direct: Mapping[str, set[str]], part: str) -> set[str]:
    """The parts that a part needs, directly and through others."""
    found: set[str] = set()
    left = list(direct.get(part, ()))
    while left:
        if (one := left.pop()) not in found:
            found.add(one)
            left += direct.get(one, ())
    return found - {part}


def _of_formula(e: Evaluation) -> dict[str, set[str]]:
    """For each part of the formula, the parts that it names."""
    found: dict[str, set[str]] = {}
    previous: set[str] = set()
    for part in e.cost:
        found[part.name] = previous if part.after is PREVIOUS else found.keys() & set(part.after)
        previous = {part.name}
    return found


def _run(e: Evaluation) -> Readers:
    given = _empty(input_shape(e))
    module = build_layer(e, device="meta").eval()
    joined = {name: name.removesuffix(".scale") for name in BETWEEN.get(e.operator.name, ())}
    reader = Readers([part.name for part in e.cost], tensors(given), joined)
    with torch.no_grad(), reader.follow(module):
        module(given)
    return reader


def _empty(shape: Any) -> Any:
    if isinstance(shape[0], tuple):
        return tuple(map(_empty, shape))
    return torch.empty(shape, device="meta")


def _spread(operator: Operator) -> Iterator[Evaluation]:
    """Each set of options with and without a stride, and with other and with the same channels."""
    seen = set()
    for e in cases(operator):
        g = e.geometry
        kind = (e.label(), g.strided, bool(g.c_in == g.c_out), bool(g.groups > 1))
        if kind not in seen:
            seen.add(kind)
            yield e


@pytest.mark.parametrize("operator", list(lookup.every()), ids=lambda operator: operator.name)
def test_a_part_waits_for_what_it_reads(operator: Operator) -> None:
    """Directly or through other parts, and for nothing else."""
    import_torchvision()
    for e in _spread(operator):
        formula, module = _of_formula(e), _run(e).reads
        named = dict(formula)
        if operator.name in ROUNDS:
            places = {part.name: place for place, part in enumerate(e.cost)}
            for name, place in places.items():
                formula[name] = formula[name] | {one for one in module[name] if places.get(one, -1) > place}
        # What an option left out may keep its name, and has no kernel.
        left = BETWEEN.get(operator.name, ())
        there = {part.name: part for part in e.cost if part.traffic and part.name not in left}
        for name, part in there.items():
            needs, reads = _all_before(formula, name), _all_before(module, name)
            advice = (
                f"on {e.geometry} the part {name} of the formula waits for {sorted(needs & there.keys())}, and in the "
                f"module it reads what {sorted(reads & there.keys())} made; name in `after` the parts that it reads"
            )
            assert needs & there.keys() == reads & there.keys(), for_author(e.label(), advice)
            if operator.name not in ROUNDS and (operator.name, name) not in ALSO_READ:
                missing = (module[name] & there.keys()) - named[name] - {name}
                assert not missing, for_author(
                    e.label(), f"the part {name} reads what {sorted(missing)} made itself; name them in its `after`"
                )
            if not needs and operator.name not in ROUNDS:
                of_weights = part.after is not PREVIOUS and "nothing" in part.after
                assert (INPUT in reads) != of_weights, for_author(
                    e.label(),
                    f"the part {name} {'reads' if of_weights else 'does not read'} the layer's input; give it "
                    f"`after=parts.{'INPUT' if of_weights else 'NOTHING'}`",
                )


@pytest.mark.parametrize("operator", list(lookup.every()), ids=lambda operator: operator.name)
def test_steps_of_a_part(operator: Operator) -> None:
    """As many of its kernels wait for each other in the module."""
    import_torchvision()
    for e in _spread(operator):
        if operator.name in RECURRENT and e.named["num_layers"] > 1:
            continue
        found, steps = _run(e).longest, Counter({part.name: part.steps for part in e.cost if part.traffic})
        for name, expected in steps.items():
            assert found[name] == expected or (operator.name, name) in CONSTANTS, for_author(
                e.label(),
                f"on {e.geometry} the part {name} has {expected} steps, and in the module {found[name]} of its kernels "
                "wait for each other; correct its `steps`",
            )
