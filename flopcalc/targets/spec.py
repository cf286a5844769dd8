"""The target of a request as one record: for the command line, YAML files, pytest and published tables.

The name, options and sizes are parsed here, once; `flopcalc.targets.read` finds what they name.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from os import PathLike
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, get_args

from flopcalc.cost.result import Result
from flopcalc.cost.whole import as_flag as flag_of
from flopcalc.errors import FlopcalcError, clip
from flopcalc.networks.inputs import FORWARD, ForwardCall, Input, InputLike, On, as_inputs, parse_input
from flopcalc.networks.training import TrainingOptions
from flopcalc.spec.param import show

if TYPE_CHECKING:
    from flopcalc.catalog.kernels import KernelRule
    from flopcalc.replacing.decide import Plan

Kind = Literal["network", "operator"]


class Timeout(NamedTuple):
    """The time limit for importing Python code and building its model. ends_process: end the process if it hangs.

    Only a process that flopcalc itself started may be ended: `flopcalc` on the command line.
    """

    seconds: float
    ends_process: bool = False


DEFAULT_TIMEOUT = Timeout(120)


def read_timeout(value: Any, *, ends_process: bool = False) -> Timeout:
    """A number of seconds, or text of one. Raises FlopcalcError (bad-usage) unless it is larger than 0."""
    number = keyword_value(value)
    if isinstance(number, bool) or not isinstance(number, int | float) or not 0 < number <= 10**6:
        raise FlopcalcError(
            "bad-usage",
            f"--timeout is {clip(value)}; it must be a number of seconds, larger than 0 and at most 10^6",
            "write for example --timeout 600 for code that needs ten minutes",
        )
    return Timeout(float(number), ends_process)


# Shared, and so never changed.
_NOTHING: Mapping[str, Any] = {}


class TargetSpec(NamedTuple):
    """A network or an operator as requested; its name is not looked up yet.

    what: a name as in `flopcalc model` or `flopcalc layer`; for a network also an nn.Module, its class, or a function
    that builds it. settings: options of the network or operator, or keywords of a Python factory; text in them is
    parsed as on the command line. For a network: inputs (empty for its default input), batch, the plan of
    replacements (None for no replacement), and for Python code the timeout, the call (the method, the device and the
    keywords that are not tensors) and the rules for kernels of its own (beside those that are registered). For an
    operator: shape, its sizes by their names in `flopcalc.layer`. training: how it is trained, None for inference.
    names_method: whether the method was given, also if it is the usual one.
    """

    kind: Kind
    what: Any
    settings: Mapping[str, Any] = _NOTHING
    inputs: tuple[Input, ...] = ()
    batch: int = 1
    plan: "Plan | None" = None
    shape: Mapping[str, Any] = _NOTHING
    timeout: Timeout = DEFAULT_TIMEOUT
    call: ForwardCall = FORWARD
    kernels: "tuple[KernelRule, ...]" = ()
    training: TrainingOptions | None = None
    names_method: bool = False

    def _key(self) -> tuple[Any, ...]:
        return self.kind, self.what, *self.flags, *self.shape.items(), self.inputs, self.batch, self.training

    def __eq__(self, other: object) -> bool:
        return isinstance(other, TargetSpec) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    @property
    def flags(self) -> list[tuple[str, str]]:
        """The settings, the call and the plan as flags of the command line with their unquoted values."""
        found = [("--set", f"{name}={setting_text(value)}") for name, value in self.settings.items()]
        found += self.call_flags
        if self.plan:
            found += [("--replace", request.command) for request in self.plan.requests]
            found += [("--where", self.plan.where)] if self.plan.where is not None else []
            found += [("--keep", pattern) for pattern in self.plan.keep]
        return found + self.training_flags

    @property
    def shown(self) -> str:
        """What it is called where there is little room: its name, or that of the class of a module."""
        return self.what if isinstance(self.what, str) else getattr(self.what, "__name__", type(self.what).__name__)

    @property
    def training_flags(self) -> list[tuple[str, str]]:
        """How it is trained as flags of the command line with their values; none for inference."""
        if self.training is None:
            return []
        found = [("--mode", "training"), *(("--freeze", one) for one in self.training.freeze)]
        return [*found, *(("--checkpoint", one) for one in self.training.checkpoint)]

    @property
    def call_flags(self) -> list[tuple[str, str]]:
        """How the model is called as flags of the command line; empty for `forward` with tensors only."""
        call, usual = self.call, FORWARD
        found = [("--arg", f"{name}={argument_text(value)}") for name, value in call.arguments.items()]
        found += [("--method", call.method)] if call.method != usual.method else []
        return found + ([("--on", call.on)] if call.on != usual.on else [])

    def without_plan(self) -> "TargetSpec":
        """The same network before replacement."""
        return self._replace(plan=None, shape=_NOTHING)


def from_texts(
    name: str,
    *,
    settings: Iterable[str] = (),
    input_texts: Iterable[str] = (),
    batch: int | None = None,
    replace_texts: Iterable[str] = (),
    where: str | None = None,
    keep: Iterable[str] = (),
    timeout: Timeout | None = None,
    argument_texts: Iterable[str] = (),
    method: str | None = None,
    on: str | None = None,
    training: TrainingOptions | None = None,
) -> TargetSpec:
    """The network that the options of a command name. Raises FlopcalcError for invalid text."""
    inputs = tuple(parse_input(text) for text in input_texts)
    chosen = read_plan(tuple(replace_texts), where, tuple(keep))
    return TargetSpec(
        "network",
        name,
        settings=split_settings(settings),
        inputs=inputs,
        batch=1 if batch is None else batch,
        plan=chosen,
        timeout=timeout or DEFAULT_TIMEOUT,
        call=read_call(split_settings(argument_texts, "--arg"), method, on),
        training=training,
        names_method=method is not None,
    )


def from_python(
    what: Any,
    inputs: InputLike | Sequence[InputLike] | None = None,
    *,
    batch: int = 1,
    replace: str | Iterable[str] = (),
    where: str | None = None,
    keep: str | Iterable[str] = (),
    set: Mapping[str, Any] | None = None,
    arg: Mapping[str, Any] | None = None,
    method: str | None = None,
    on: str | None = None,
    training: TrainingOptions | None = None,
) -> TargetSpec:
    """The network that the arguments of a Python call name. Raises FlopcalcError for invalid values."""
    check_what(what)
    chosen = read_plan(as_texts(replace), where, as_texts(keep, "keep", "layer1"))
    call = read_call(as_values(arg, "arg", '{"return_dict": False}'), method, on)
    settings = as_values(set, "set", '{"classes": 10}')
    spec = TargetSpec("network", what, settings, as_inputs(inputs), batch, chosen, call=call, training=training)
    return spec._replace(names_method=method is not None)


def read_call(arguments: Mapping[str, Any] | None = None, method: Any = None, on: Any = None) -> ForwardCall:
    """How a model is called; None for the default. Text in the arguments is parsed. Raises FlopcalcError."""
    arguments = arguments or {}
    for name in arguments:
        if not isinstance(name, str) or not name.isidentifier():
            why = f"--arg {clip(name)} is not the name of a keyword"
            raise FlopcalcError("bad-option", why, "write for example --arg return_dict=false")
    if method is not None and (not isinstance(method, str) or not method.isidentifier()):
        why = f"--method is {clip(method)}, not the name of a method"
        raise FlopcalcError("bad-option", why, "write for example --method encode_image")
    place: On | None = next((one for one in get_args(On) if isinstance(on, str) and one == on), None)
    if on is not None and place is None:
        raise FlopcalcError("bad-option", f"--on is {clip(on)}", f"one of: {', '.join(get_args(On))}")
    values = {name: argument_value(value) for name, value in arguments.items()}
    return ForwardCall(method or "forward", place or "auto", values)


def as_texts(given: str | Iterable[str], name: str = "replace", example: str = "spconv") -> tuple[str, ...]:
    """One string or several, as a tuple. Raises FlopcalcError (bad-usage) for anything else.

    name: of the argument, with an example for the hint.
    """
    texts = (given,) if isinstance(given, str) or not isinstance(given, Iterable) else tuple(given)
    if not all(isinstance(one, str) for one in texts):
        why = f"{name} is {clip(given)}, not a text or a list of texts"
        raise FlopcalcError("bad-usage", why, f'write for example "{example}"')
    return texts


def as_values(given: Mapping[str, Any] | None, name: str, example: str) -> dict[str, Any]:
    """Values by name. Raises FlopcalcError (bad-usage) for anything else.

    name: of the argument, with an example for the hint.
    """
    if given is None:
        return {}
    if not isinstance(given, Mapping) or not all(isinstance(one, str) for one in given):
        why = f"{name} is {clip(given)}, not values by name"
        raise FlopcalcError("bad-usage", why, f"write for example {name}={example}")
    return dict(given)


def as_flag(given: Any, name: str) -> bool:
    """A truth value; text such as "no" would be taken for True. Raises FlopcalcError (bad-usage) for anything else."""
    flag = bool(given) if type(given) is int and given in (0, 1) else flag_of(given)
    if flag is None:
        raise FlopcalcError("bad-usage", f"{name} is {clip(given)}, not True or False", f"write {name}=True")
    return flag


def check_what(what: Any) -> None:
    """Raise FlopcalcError for an object that is neither a name nor a module or a function that builds one."""
    if isinstance(what, Result):
        why = f"{clip(what)} has its sizes already"
        raise FlopcalcError("bad-usage", why, "give the name or the path of its description, or a module")
    if not callable(what) and not isinstance(what, str | PathLike):
        why = f"the target is {clip(what)}, not a name, a path or a PyTorch model"
        raise FlopcalcError("bad-name", why, 'write for example "resnet50", "net.yaml", or an nn.Module')


def read_plan(texts: tuple[str, ...], where: str | None, keep: tuple[str, ...]) -> "Plan | None":
    """The plan of replacements; None without a replacement. Raises FlopcalcError."""
    if texts:
        # Only a replacement needs it.
        from flopcalc.replacing.decide import plan

        return plan(texts, where, keep)
    if where is not None or keep:
        given = "where" if where is not None else "keep"
        raise FlopcalcError(
            "bad-usage",
            f"{given} is given without replace",
            "name an operator with replace, for example spconv (--replace spconv on the command line)",
        )
    return None


def split_settings(settings: Iterable[str], flag: str = "--set") -> dict[str, str]:
    """The values of `name=value` texts by name, unparsed. Raises FlopcalcError (bad-option)."""
    given: dict[str, str] = {}
    for setting in settings:
        name, equals, value = setting.partition("=")
        if not equals or not name.strip() or name.strip() in given:
            why = "is given twice" if equals and name.strip() else "is not of the form name=value"
            raise FlopcalcError("bad-option", f"{flag} {clip(setting)} {why}", _EXAMPLES[flag])
        given[name.strip()] = value.strip()
    return given


_EXAMPLES = {
    "--set": "write for example --set classes=10",
    "--arg": "write for example --arg return_dict=false",
    "--peak": "write for example --peak float32=1.5e12",
}
_INTEGER = re.compile(r"[+-]?[0-9]{1,100}", re.ASCII)
_DECIMAL = re.compile(r"[+-]?([0-9]{1,50}\.?[0-9]{0,50}|\.[0-9]{1,50})(e[+-]?[0-9]{1,3})?", re.ASCII | re.IGNORECASE)
_RATIO = re.compile(r"[+-]?[0-9]{1,50}/0*[1-9][0-9]{0,50}", re.ASCII)
_WORDS: Mapping[str, bool | None] = {"true": True, "false": False, "none": None, "null": None}


def keyword_value(value: Any) -> Any:
    """The value of a keyword of a factory: text is parsed as an integer, a number (0.5, 1/4), true, false or none.

    Other text, and values that are not text, are not changed.
    """
    if not isinstance(value, str):
        return value
    if _INTEGER.fullmatch(value):
        return int(value)
    if _DECIMAL.fullmatch(value):
        return float(value)
    if _RATIO.fullmatch(value):
        return float(Fraction(value))
    return _WORDS.get(value.lower(), value)


def argument_value(value: Any) -> Any:
    """As `keyword_value`; also text such as `16,16`, `16,` or `0.5,none`, which is a tuple of these values."""
    if isinstance(value, str) and "," in value:
        pieces = value.split(",")
        values = tuple(keyword_value(one.strip()) for one in (pieces if pieces[-1].strip() else pieces[:-1]))
        return value if any(isinstance(one, str) for one in values) else values
    return keyword_value(value)


def argument_text(value: Any) -> str:
    """A value as the text of `--arg`: as `setting_text`, and `16,` for a tuple of one number."""
    text = setting_text(value)
    return f"{text}," if isinstance(value, list | tuple) and len(value) == 1 else text


def setting_text(value: Any) -> str:
    """A value as the text of `--set`: 0.75, true, none, 3,4,6,3."""
    if value is None:
        return "none"
    if isinstance(value, list | tuple):
        return ",".join(map(setting_text, value))
    return show(value)
