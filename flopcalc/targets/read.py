"""Reading the network or the operator that a TargetSpec names.

A network is a name that `flopcalc list` shows, the path of a YAML description, or a Python model: an object, or text
such as `package.module:factory`, `file.py:factory`, `torchvision:NAME`, `timm:NAME`, `hf:NAME-OR-CONFIG.json`. Only a
Python model needs torch.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from flopcalc.catalog import lookup
from flopcalc.cost.geometry import height_and_width
from flopcalc.errors import FlopcalcError, clip
from flopcalc.networks import library
from flopcalc.networks.inputs import Input, one_shape
from flopcalc.networks.network import Network
from flopcalc.spec.operator import Evaluation, Operator
from flopcalc.targets.other_files import check_is_readable
from flopcalc.targets.spec import TargetSpec, argument_value, keyword_value

if TYPE_CHECKING:
    from flopcalc.networks.memory import Followed
    from flopcalc.replacing.described import Replacement

T = TypeVar("T")
_PYTHON = re.compile(r"(?:.*\.py|[^\W\d]\w*(?:\.[^\W\d]\w*)*):[^\W\d]\w*(?:\.[^\W\d]\w*)*")
_HUB = re.compile(r"(?:torchvision|timm|hf):.")
_DOTTED = re.compile(r"[^\W\d]\w*(?:\.[^\W\d]\w*)+")


class Target(NamedTuple):
    """A network, and the same network with layers replaced. replacement: None if no replacement was requested."""

    plain: Network
    replacement: "Replacement | None"

    @property
    def network(self) -> Network:
        """The network after replacement, or the plain one."""
        return self.replacement.network if self.replacement else self.plain


def read_target(spec: TargetSpec) -> Target:
    """The network that a spec names. Raises FlopcalcError."""
    what, plan = spec.what, spec.plan
    if isinstance(what, str) and not is_python(what):
        check_no_call(spec)
        plain = library.load(what, spec.settings, one_shape(spec.inputs), spec.batch)
        if plan is None:
            return Target(plain, None)
        # Only a replacement needs it.
        from flopcalc.replacing.described import replace_layers

        return Target(plain, replace_layers(plain, plan))
    python = _python("target", spec)
    asked = _keywords(spec), spec.inputs, spec.batch, plan
    if not isinstance(what, str):
        return Target(*python.read_object(what, *asked, spec.call, spec.kernels))
    return Target(*python.read_target(what, *asked, _limit(python, spec), spec.call, spec.kernels))


def read_symbolic(spec: TargetSpec, vary: Sequence[str] | None, use: Callable[[Any], T]) -> T:
    """What `use` makes of a Python model that was counted on symbolic sizes (`flopcalc.pytorch.symbolic_target`).

    vary: names of axes; None for the usual ones. The model can be counted again while `use` runs. Raises FlopcalcError.
    """
    python = _python("symbolic_target", spec)
    found: T = python.read_symbolic(python_request(spec, python)._replace(vary=vary), use)
    return found


def python_memory(spec: TargetSpec, question: Any) -> "tuple[str, str, Followed]":
    """Name, title and tensors of a Python model (`flopcalc.pytorch.memory.target`). Raises FlopcalcError."""
    python = _python("memory.target", spec)
    found: tuple[str, str, Followed] = python.follow_target(python_request(spec, python), question)
    return found


def default_setting(spec: TargetSpec, name: str) -> Any:
    """The default of a keyword of a Python factory; None where it is not known. Raises FlopcalcError."""
    limit = _limit(_python("target", spec), spec) if isinstance(spec.what, str) else None
    return _python("loading.module", spec).default_argument(spec.what, name, limit)


def _python(name: str, spec: TargetSpec) -> Any:
    """A module of flopcalc.pytorch. It imports torch, or raises missing-package; errors of the target come first."""
    _keywords(spec)
    return import_module(f"flopcalc.pytorch.{name}")


def python_request(spec: TargetSpec, python: Any) -> Any:
    """The `Request` of a module of flopcalc.pytorch for a Python model; its time limit starts now."""
    keywords = _keywords(spec)
    limit = _limit(python, spec) if isinstance(spec.what, str) else None
    return python.Request(spec.what, keywords, spec.inputs, spec.batch, spec.plan, limit, spec.call, spec.kernels)


def _keywords(spec: TargetSpec) -> dict[str, Any]:
    """The keywords of a Python factory, or the fields of a configuration, which may be lists."""
    what = spec.what
    is_configured = isinstance(what, str) and what.startswith("hf:")
    name = what if isinstance(what, str) else getattr(what, "__name__", type(what).__name__)
    _check_inputs(name, spec.inputs, needed=not is_configured)
    read = argument_value if is_configured else keyword_value
    return {name: read(value) for name, value in spec.settings.items()}


def _limit(python: Any, spec: TargetSpec) -> Any:
    """The limit of time for loading and building a model, which starts now."""
    seconds, ends_process = spec.timeout
    return python.start_limit(seconds, ends_process=ends_process)


def read_operator(spec: TargetSpec) -> Evaluation:
    """The operator that a spec names, on its shape. Raises FlopcalcError."""
    operator, options = lookup.parse(spec.what)
    return operator_on(operator, {**options, **spec.settings}, spec.shape)


def operator_on(operator: Operator, given: Mapping[str, Any], shape: Mapping[str, Any]) -> Evaluation:
    """An operator with options, on sizes by their names in `flopcalc.layer`, or h and w. Raises FlopcalcError."""
    sizes = dict(shape)
    c_in = sizes.pop("c_in") if "c_in" in sizes else own_channels(operator, given)
    c_out = sizes.pop("c_out", None)
    hw = height_and_width(*(sizes.pop(name, None) for name in ("hw", "h", "w")))
    if hw is not None:
        sizes["hw"] = hw
    return operator.evaluate(operator.geometry(c_in, c_out, given, **sizes), given)


def own_channels(operator: Operator, given: Mapping[str, Any]) -> int:
    """The input channels that options fix, where none are given. Raises FlopcalcError where they fix none."""
    fixed = operator.default_c_in(operator.resolve(given)) if operator.default_c_in else None
    if fixed is None:
        raise FlopcalcError("bad-usage", "the input channels are missing", "give --cin 64, in Python c_in=64")
    return fixed


def is_python(name: str) -> bool:
    """Whether a name is that of a Python model. Raises FlopcalcError for a name that is almost one or another file."""
    if _HUB.match(name):
        return True
    check_is_readable(name)
    if _PYTHON.fullmatch(name):
        return True
    path = name.removesuffix(":")
    if path.endswith(".py"):
        from flopcalc.targets.defined_names import defined_names

        found = defined_names(path)
        shown = f"it defines {', '.join(found[:8])}: " if found else ""
        example = found[0] if found else "NAME"
        raise FlopcalcError(
            "bad-usage", f"{clip(name)} does not name the model in the file", f"{shown}write {path}:{example}"
        )
    if _DOTTED.fullmatch(name) and not name.endswith((".yaml", ".yml")):
        module, _, attribute = name.rpartition(".")
        from difflib import get_close_matches

        hint = f"write a Python model as {module}:{attribute}"
        if get_close_matches(attribute, ("yaml", "yml"), cutoff=0.6):
            hint = f"the path of a description ends in .yaml: {module}.yaml"
        raise FlopcalcError("unknown-network", f"unknown network {clip(name)}", hint)
    return False


def check_no_call(spec: TargetSpec) -> None:
    """Raise FlopcalcError for options of a Python model with a described network."""
    # The usual method is no flag, and is refused as others are.
    usual = [("--method", spec.call.method)] if spec.names_method else []
    if flags := [*spec.call_flags, *usual]:
        flag, value = flags[0]
        raise FlopcalcError(
            "bad-usage",
            f"{flag} {clip(value)} does not apply to {clip(spec.what)}, which is a described network",
            f"leave {flag} out; it is for a Python model such as file.py:Net",
        )


def _check_inputs(name: str, inputs: Sequence[Input], *, needed: bool = True) -> None:
    if not inputs and needed:
        raise FlopcalcError(
            "missing-input",
            f"{clip(name)} needs the shape of its input",
            "give each shape without the batch: --input 3x224x224, in Python (3, 224, 224); 77:int64 for token ids",
        )
    names = [one.name for one in inputs if one.name is not None]
    for one in names:
        if names.count(one) > 1:
            raise FlopcalcError("bad-option", f"--input {one}= is given twice", "give each keyword once")
