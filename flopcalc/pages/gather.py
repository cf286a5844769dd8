"""The records of other rooms that a report shows, each asked for once. What cannot be had has a reason instead."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, NamedTuple, TypeVar

from flopcalc.analysis.assumptions import assumed
from flopcalc.analysis.closed_forms import network_form
from flopcalc.analysis.explain import explain, explain_record
from flopcalc.analysis.memory.memory import memory_of
from flopcalc.analysis.memory.operator import operator_peak
from flopcalc.analysis.memory.question import question
from flopcalc.analysis.memory.record import Memory
from flopcalc.analysis.network_form import NetworkForm
from flopcalc.analysis.roofline import Roofline, of_result, of_target, with_measured
from flopcalc.analysis.timing.device import Device, Execution
from flopcalc.cost import convention
from flopcalc.cost.convention import Convention
from flopcalc.cost.cost import DTYPE_BYTES
from flopcalc.errors import FlopcalcError
from flopcalc.networks import library
from flopcalc.networks.like import read_network_file
from flopcalc.networks.lone import lone
from flopcalc.networks.network import Network
from flopcalc.spec.layer_record import layer_record
from flopcalc.spec.operator import Evaluation, Operator
from flopcalc.targets.model_record import model_record
from flopcalc.targets.read import Target, is_python, read_operator, read_target
from flopcalc.targets.spec import TargetSpec

T = TypeVar("T")
# Other counters, and the doubled MACs of many tables.
TOOLS = tuple(name for name, one in convention.CONVENTIONS.items() if one.counter or name == "two-per-mac")


class Asked(NamedTuple):
    """What a report shows of its target.

    convention: of the headline. dtype: None for float32, or that of a Python model's weights in memory. device: of the
    times; None without times. command: the command line that makes the report, for the reader; version: of flopcalc.
    vary, assume: of the closed form, as in `flopcalc.formula`.
    """

    convention: Convention
    dtype: str | None = None
    device: Device | None = None
    execution: Execution = "eager"
    command: str = ""
    version: str = ""
    vary: tuple[str, ...] | None = None
    assume: tuple[str, ...] = ()

    @property
    def stored(self) -> str:
        """The dtype of tensors in memory: products in tf32 are of float32 tensors."""
        return "float32" if self.dtype in (None, "tf32") else str(self.dtype)


class Absent(NamedTuple):
    """Why a section is not there, and what to do."""

    why: str
    hint: str


@dataclass(frozen=True)
class NetworkFacts:
    """Everything that the report of a network shows; before: of the same network before replacement, if any."""

    spec: TargetSpec
    asked: Asked
    target: Target
    record: dict[str, Any]
    before: dict[str, Any] | None
    tools: dict[str, Any]
    form: NetworkForm | Absent
    memory: Memory | Absent
    memory_before: Memory | Absent | None
    roofline: Roofline | None
    operators: tuple[Operator, ...]
    source: str = ""

    @property
    def uncounted(self) -> list[dict[str, Any]]:
        """Kernels without a rule, as records."""
        found: list[dict[str, Any]] = self.record["uncounted"]
        return found


@dataclass(frozen=True)
class OperatorFacts:
    """Everything that the report of an operator on a shape shows. network: the operator as a network of one layer."""

    spec: TargetSpec
    asked: Asked
    evaluation: Evaluation
    network: Network
    record: dict[str, Any]
    tools: dict[str, Any]
    form: dict[str, Any] | Absent
    memory: int
    roofline: Roofline | None
    operators: tuple[Operator, ...] = field(default=())


def gather(spec: TargetSpec, asked: Asked) -> NetworkFacts | OperatorFacts:
    """The records of the target that a spec names. Raises FlopcalcError for an unknown target and wrong options."""
    if spec.kind == "operator":
        return _of_operator(spec, asked)
    with _loading_once(spec):
        return _of_network(spec, asked)


def _loading_once(spec: TargetSpec) -> AbstractContextManager[None]:
    """Around several passes over a Python model, whose file then runs once."""
    if not isinstance(spec.what, str) or not is_python(spec.what):
        return nullcontext()
    # Imports torch, or raises missing-package.
    import_module("flopcalc.pytorch.target")
    found: AbstractContextManager[None] = import_module("flopcalc.pytorch.loading.importing").each_file_once()
    return found


def _of_network(spec: TargetSpec, asked: Asked) -> NetworkFacts:
    target = read_target(spec)
    dtype, network = asked.stored, target.network
    # Of a replacement that replaces nothing, the closed form and the memory are those of the network as it is.
    shown = spec if target.replacement is None or target.replacement.replaced_by else spec.without_plan()
    before = None
    if target.replacement is not None:
        before = model_record(target.plain, None, asked.convention, dtype)
    roofline = None
    if asked.device is not None:
        roofline = of_target(target, asked.device, asked.dtype or "float32", asked.execution)
        roofline = with_measured(roofline, spec, target)
    return NetworkFacts(
        spec=spec,
        asked=asked,
        target=target,
        record=model_record(target.plain, target.replacement, asked.convention, dtype),
        before=before,
        tools=explain_record(network, network.name, explain(network, TOOLS)),
        form=_form(shown, asked),
        memory=_memory(shown, asked),
        memory_before=None if target.replacement is None else _memory(spec.without_plan(), asked),
        roofline=roofline,
        operators=_operators(target),
        source=_source(spec),
    )


def _or_why(wanted: Callable[[], T]) -> T | Absent:
    """A record that not every target has, or why this one has none."""
    try:
        return wanted()
    except FlopcalcError as error:
        return Absent(error.message, error.hint)


def _form(spec: TargetSpec, asked: Asked) -> NetworkForm | Absent:
    """The closed form. Where its symbols were chosen, that there is none is an error."""
    if asked.vary is None and not asked.assume:
        return _or_why(lambda: _usual_form(spec))
    form = network_form(spec, asked.vary)
    return assumed(form, asked.assume) if asked.assume else form


def holds_here(form: NetworkForm) -> bool:
    """Whether a closed form holds at the sizes of the target itself."""
    return form.allows({one.symbol: one.usual for one in form.variables})


def _usual_form(spec: TargetSpec) -> NetworkForm:
    """The closed form in the usual symbols; without the batch where torch takes another path for this batch."""
    form = network_form(spec)
    axes = [one.meaning for one in form.variables if one.kind == "axis"]
    if not holds_here(form) and axes:
        with suppress(FlopcalcError):
            other = network_form(spec, axes)
            return other if holds_here(other) else form
    return form


def _memory(spec: TargetSpec, asked: Asked) -> Memory | Absent:
    dtype = None if asked.dtype is None else asked.stored
    return _or_why(lambda: memory_of(spec, question(dtype=dtype)))


def _operators(target: Target) -> tuple[Operator, ...]:
    """The operators of the network, first those that replaced layers, each once."""
    found: dict[str, Operator] = {}
    if target.replacement is not None:
        used = set(target.replacement.replaced_by.values())
        requests = target.replacement.plan.requests
        found |= {one.operator.name: one.operator for one in requests if one.label in used}
    for layer in target.network.layers:
        if layer.evaluation is not None:
            found.setdefault(layer.evaluation.operator.name, layer.evaluation.operator)
    return tuple(found.values())


def _source(spec: TargetSpec) -> str:
    """The paper or the code that a description follows, as its file names it."""
    if not isinstance(spec.what, str) or is_python(spec.what):
        return ""
    data, _ = read_network_file(library.source(spec.what), library.source)
    return " ".join(str(data.get("source") or "").split())


def _of_operator(spec: TargetSpec, asked: Asked) -> OperatorFacts:
    e = read_operator(spec)
    dtype, network = asked.stored, lone(e)
    roofline = None
    if asked.device is not None:
        roofline = of_result(e, asked.device, asked.dtype or "float32", asked.execution)
    return OperatorFacts(
        spec=spec,
        asked=asked,
        evaluation=e,
        network=network,
        record=layer_record(e, asked.convention, dtype),
        tools=explain_record(network, network.name, explain(network, TOOLS)),
        form=_or_why(lambda: _algebra(e)),
        memory=operator_peak(e, DTYPE_BYTES[dtype]),
        roofline=roofline,
        operators=(e.operator,),
    )


def _algebra(e: Evaluation) -> dict[str, Any]:
    """The closed form of an operator with the options that were given, in LaTeX. Needs SymPy."""
    given = {name: e.named[name] for name in e.given}
    records = import_module("flopcalc.algebra.formula_record")
    records.check_somewhere(e.operator, given)
    form = import_module("flopcalc.algebra.closed_form").closed_form(e.operator, given)
    import_module("flopcalc.algebra.comparison").check_on_numbers(form, given)
    found: dict[str, Any] = records.formula_record(form, "latex")
    return found
