"""What each part of an operator waits for, compared with the data that goes through its module."""

from collections import defaultdict
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
# A transform runs its products by constants between its sums, twice.
BETWEEN = {"winograd": ("data.scale", "weights.scale", "output.scale")}


class Readers(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """While it is on: for each part, the parts and inputs whose memory its kernels read, directly."""

    def __init__(self, parts: list[str], given: list[Tensor]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.parts, self.running = parts, [""]
        # Memory is known by its address, so nothing may be freed.
        self.kept: list[Any] = []
        self.written: dict[int, set[str]] = {_memory(tensor): {INPUT} for tensor in given}
        self.reads: dict[str, set[str]] = defaultdict(set)

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
        return out

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


def _of_module(e: Evaluation) -> dict[str, set[str]]:
    given = _empty(input_shape(e))
    module = build_layer(e, device="meta").eval()
    reader = Readers([part.name for part in e.cost], tensors(given))
    with torch.no_grad(), reader.follow(module):
        module(given)
    return reader.reads


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
        formula, module = _of_formula(e), _of_module(e)
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
