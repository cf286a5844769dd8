"""One operator on one shape as plain data: the JSON contract `flopcalc/layer/1`."""

import re
from fractions import Fraction
from typing import Any, NamedTuple

from flopcalc.cost.convention import Convention
from flopcalc.cost.cost import DTYPE_BYTES, Cost, Part
from flopcalc.cost.geometry import SAME, Geometry
from flopcalc.cost.kinds import OF_A_KERNEL
from flopcalc.spec.equations import Reading, readings
from flopcalc.spec.operator import Evaluation, Operator


def plain(value: Any) -> Any:
    """A value as JSON holds it: exact ints, other fractions as text, pairs as lists."""
    if isinstance(value, Fraction):
        return int(value) if value.denominator == 1 else str(value)
    return list(value) if isinstance(value, tuple) else value


def plain_value(value: Any) -> Any:
    """As `plain`, but a fraction becomes a decimal, as papers print it."""
    return round(float(value), 6) if isinstance(value, Fraction) and value.denominator != 1 else plain(value)


def _sizes(sizes: tuple[int, ...]) -> Any:
    return sizes[0] if all(size == sizes[0] for size in sizes) else list(sizes)


def inputs(g: Geometry) -> dict[str, Any]:
    """The shape under the names of the command line; one number where all axes have the same."""
    return {
        "cin": g.c_in,
        "cout": g.c_out,
        "k": _sizes(g.sizes("k")),
        "h": g.h,
        "w": g.w,
        "stride": _sizes(g.sizes("stride")),
        "padding": SAME if g.uneven else _sizes(g.sizes("padding")),
        "dilation": _sizes(g.sizes("dilation")),
        "groups": g.groups,
        "batch": g.batch,
    }


def intensity(flops: int, traffic: int) -> float | None:
    """Arithmetic intensity in FLOPs per byte of traffic; None without traffic."""
    # An int divided by an int, since the numbers may be larger than a float.
    return float(Fraction(flops, traffic)) if traffic else None


class Costs(NamedTuple):
    """The cost of an operator, and that of the plain convolution: of a forward pass, or of a training step."""

    cost: Cost
    baseline: Cost

    def ratio(self, kind: str) -> Fraction | None:
        """Cost over that of the plain convolution, exact; None where that has no such cost."""
        base = self.baseline.total(kind)
        return Fraction(self.cost.total(kind), base) if base else None


def layer_record(
    e: Evaluation, convention: Convention, dtype: str = "float32", costs: Costs | None = None
) -> dict[str, Any]:
    """The record that `flopcalc layer` shows, ready for JSON. costs: if they are not those of the forward pass."""
    found = costs or Costs(e.cost, e.baseline)
    base, element = found.baseline, DTYPE_BYTES[dtype]
    sums = found.cost.totals()
    sums["traffic"] *= element
    return {
        "schema": "flopcalc/layer/1",
        "type": e.operator.name,
        "inputs": inputs(e.geometry),
        "output": list(e.out_shape),
        "options": {name: plain(value) for name, value in e.options.items()},
        "derived": {name: plain(value) for name, value in e.derived.items()},
        **sums,
        "intensity": intensity(sums["flops"], sums["traffic"]),
        "dtype": dtype,
        "parts": [_part(part, element) for part in found.cost],
        "equations": [_equation(reading, e) for reading in readings(e)],
        "baseline": {"type": baseline_type(e.operator), "params": base.params, "macs": base.macs},
        "ratio": {"params": _ratio(found, "params"), "macs": _ratio(found, "macs")},
        "convention": convention.name,
        "cost": convention.of(found.cost, e.geometry.batch, inputs=e.inputs),
        "notes": [*notes(e), *whole_module_notes(e, convention)],
    }


def _part(part: Part, element: int) -> dict[str, Any]:
    """element: bytes of one element."""
    flops = 2 * part.macs + part.adds + part.muls + part.other
    traffic = part.traffic * element
    return {
        "name": part.name,
        **{kind: getattr(part, kind) for kind in OF_A_KERNEL if kind != "traffic"},
        "traffic": traffic,
        "steps": part.steps,
        "flops": flops,
        "elementwise": part.adds + part.muls + part.other,
        "reads": part.reads * element,
        "writes": part.writes * element,
        "intensity": intensity(flops, traffic),
    }


def _ratio(costs: Costs, kind: str) -> float | None:
    ratio = costs.ratio(kind)
    return None if ratio is None else float(ratio)


def _equation(reading: Reading, e: Evaluation) -> dict[str, Any]:
    equation = reading.equation
    record = {
        "paper": (equation.paper or e.operator.paper).short,
        "number": equation.number,
        "status": equation.status,
        "printed": plain(reading.printed),
        "value": plain(reading.value),
        "gives": equation.gives,
        "text": equation.text,
    }
    if equation.right:
        record |= {"right": equation.right, "right_value": plain(reading.right), "why": equation.why}
    if reading.reason:
        record["not_applied"] = reading.reason
    return record


def baseline_type(operator: Operator) -> str:
    """The name of the operator that the ratio compares with."""
    words = operator.baseline_text.removeprefix("plain ").split()
    return words[0] if words[0] in ("conv1d", "conv3d", "linear") else "conv"


def whole_module_notes(e: Evaluation, convention: Convention) -> list[str]:
    """What the counter of a convention reports for torch's own module, where that is another number."""
    if not (e.operator.torch_module and convention.counter):
        return []
    # The rules of other counters; few operators need them.
    from flopcalc.spec.whole_module import remark

    found = remark(e, convention)
    return [found] if found else []


def notes(e: Evaluation) -> list[str]:
    """The operator's notes on this evaluation. Those of a batch are those of one sample, and say so."""
    if e.operator.notes is None:
        return []
    with e.operator.contained():
        if e.geometry.batch == 1:
            return list(e.operator.notes(e))
        one = e.operator.evaluate_resolved(e.geometry._replace(batch=1), e.options, e.given)
        found = list(e.operator.notes(one))
    return [*found, OF_ONE_SAMPLE] if any(map(_FIGURE.search, found)) else found


# Next to the figures of a batch, those of a note would be taken for figures of the batch.
OF_ONE_SAMPLE = "The figures in these notes are those of one sample."
_FIGURE = re.compile(r"\d,\d{3}|\d MACs")
