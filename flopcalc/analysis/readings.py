"""A printed figure read backwards: which convention, input size or variant of a network gives it.

Every way of counting is tried on the network itself, at other inputs, and on its variants: its options changed one at
a time, and other networks of its family. The simplest explanation comes first.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib import import_module
from typing import Any, NamedTuple, TypeAlias

from flopcalc.analysis.profile import Profile
from flopcalc.analysis.ways import PARAMS_WAYS, Way, all_ways, measure
from flopcalc.cost.convention import CONVENTIONS
from flopcalc.errors import ExitCode, FlopcalcError
from flopcalc.networks import library
from flopcalc.networks.inputs import Input
from flopcalc.networks.network import size
from flopcalc.targets.index import shipped
from flopcalc.targets.read import is_python, read_target
from flopcalc.targets.spec import TargetSpec
from flopcalc.text.figure import Printed

# Sides of square inputs that papers and projects use.
SIDES = (
    *(32, 64, 96, 112, 128, 160, 176, 192, 208, 224, 240, 256, 260, 280, 288, 299, 300, 320, 331, 336),
    *(380, 384, 416, 448, 456, 475, 480, 512, 528, 600, 640, 800),
)
# Values that options of described networks have in papers, by the name of the option.
_VALUES: Mapping[str, Sequence[Any]] = {
    "width": ("1/4", "0.35", "1/2", "3/4", 1, "5/4", "1.3", "1.4", "3/2", 2),
    "classes": (10, 100, 1000, 1001, 21841, 21843),
}
# How much more complicated an explanation is: its rank is the sum. A convention costs its place in the list of ways.
_OTHER_INPUT, _OPTION, _SIBLING, _TRUNCATED = 100, 400, 800, 20
# Fewer, for Python models, which take longer to count, and for variants.
_SIDES_OF_MODELS = (128, 160, 192, 224, 240, 256, 288, 299, 300, 320, 384, 448, 512)
_MODELS = 24
_SMALL = 64
# A figure of a Python model by the convention that is tried on variants lies within this factor of its MACs; one of a
# library's model within this factor of those of the network whose name it has, in any convention. Others are not tried.
_PRESET_OF_MODEL, _MODEL_OF_LIBRARY = 2, 8
# Not more are returned.
READINGS = 20
# The conventions of flopcalc that are tried on variants; on the network itself all of them are.
_COMMON = ("flops", "fvcore", "ptflops", "thop", "thop-2019", "torchinfo")
_WAYS = tuple(all_ways())


class Reading(NamedTuple):
    """One explanation of a figure.

    target: the network that was counted; it may be another one of the family. convention, means: the way of counting,
    and what it counts. figure: the number that it gives. agreement: `agrees` or `truncated`, where the number has the
    printed digits. params, params_as: the parameters and their way of counting; params_agree is None if none were
    printed. agrees: whether all printed figures agree. rank: the smaller, the simpler.
    """

    target: str
    convention: str
    means: str
    input: str
    options: Mapping[str, Any]
    figure: int
    agreement: str
    params: int
    params_as: str
    params_agree: bool | None
    rank: int

    @property
    def agrees(self) -> bool:
        """Whether all printed figures agree."""
        return bool(self.agreement) and self.params_agree is not False

    def record(self) -> dict[str, Any]:
        """The reading as plain data."""
        return {
            "target": self.target,
            "convention": self.convention,
            "means": self.means,
            "input": self.input,
            "options": {name: str(value) for name, value in self.options.items()},
            "figure": self.figure,
            "agrees": self.agrees,
            "agreement": self.agreement,
            "params": self.params,
            "params_as": self.params_as,
            "params_agree": self.params_agree,
        }


def readings(
    targets: TargetSpec | list[TargetSpec], figure: Printed, params: Printed | None = None, *, limit: int = READINGS
) -> list[Reading]:
    """The explanations of a printed figure, and of printed parameters if given: the likeliest first, at most `limit`.

    The first of several targets is the likeliest one. If nothing agrees, the nearest numbers are returned, the nearest
    first; their `agrees` is false. Raises FlopcalcError where a target itself cannot be read.
    """
    specs = [targets] if isinstance(targets, TargetSpec) else targets
    found: list[Reading] = []
    macs = []
    for place, spec in enumerate(specs):
        # Errors of the target itself are raised; its variants may not exist.
        sums, shape = _sums(spec, tuple(CONVENTIONS))
        macs.append(sums["macs"])
        found += _of(spec, sums, shape, place, figure, params)
    # Simple explanations first. A Python model takes longer to count: the rest is left out if one fits.
    for search in (_at_other_inputs, _variants, _models_of_libraries, _variants_at_other_inputs):
        for place, spec in enumerate(specs):
            if not _is_described(spec) and any(one.agrees for one in found):
                continue
            if search in _LAST and any(one.agrees for one in found):
                continue
            if search is _models_of_libraries and not _is_near(figure, macs[place], _MODEL_OF_LIBRARY):
                continue
            for one, rank in search(spec):
                found += _try(one, rank + place, figure, params)
    good = sorted((one for one in found if one.agrees), key=lambda one: one.rank)
    if good:
        return _different(good)[:limit]
    near = sorted(found, key=lambda one: (_distance(one, figure, params), one.rank))
    return _different(near)[:limit]


def _different(found: Iterable[Reading]) -> list[Reading]:
    """Without readings that an option does not change: the first of them has fewer options."""
    first: dict[tuple[str, str, str, int, int], Reading] = {}
    for one in found:
        first.setdefault((one.target, one.convention, one.input, one.figure, one.params), one)
    return list(first.values())


def _distance(one: Reading, figure: Printed, params: Printed | None) -> float:
    """How far a reading is from the printed figures, relative to them."""
    far = abs(one.figure - figure.value) / (figure.value or 1)
    if params is not None and not one.params_agree:
        far += abs(one.params - params.value) / (params.value or 1)
    return float(far)


def _sums(spec: TargetSpec, presets: Sequence[str], figure: Printed | None = None) -> tuple[Profile, str]:
    """The sums of a network and its input. figure: leave out the conventions of a Python model if far from it."""
    network = read_target(spec).plain
    if figure is not None and not _is_described(spec) and not _is_near(figure, network.macs, _PRESET_OF_MODEL):
        presets = ()
    return measure(network, presets), " ".join(network.inputs) or size(network.input_shape)


def _try(spec: TargetSpec, rank: int, figure: Printed, params: Printed | None) -> list[Reading]:
    """The readings of a variant; none where it does not exist."""
    try:
        sums, shape = _sums(spec, _COMMON if _is_described(spec) else _COMMON[1:2], figure)
    except FlopcalcError as error:
        if error.exit_code in (ExitCode.MISSING, ExitCode.BUG):
            raise
        return []
    return _of(spec, sums, shape, rank, figure, params)


def _of(
    spec: TargetSpec, sums: Profile, shape: str, rank: int, figure: Printed, params: Printed | None
) -> list[Reading]:
    """A reading for each way of counting."""
    way_of_params, params_agree = _params(sums, params)
    counted = way_of_params.of(sums) or 0
    extra = 0 if way_of_params.name == "params" else 10
    found, seen = [], set()
    for place, way in enumerate(_WAYS):
        value = way.of(sums)
        if value is None or value in seen:
            # The simplest name of a number is enough.
            continue
        seen.add(value)
        agreement = figure.agreement(value)
        more = place + extra + (_TRUNCATED if agreement == "truncated" else 0)
        found.append(
            Reading(
                target=str(spec.what),
                convention=way.name,
                means=way.means,
                input=shape,
                options=spec.settings,
                figure=value,
                agreement=agreement,
                params=counted,
                params_as=way_of_params.name,
                params_agree=params_agree,
                rank=rank + more,
            )
        )
    return found


def _is_near(figure: Printed, macs: int, factor: int) -> bool:
    """Whether a figure is within a factor of the MACs."""
    return macs <= factor * figure.value and figure.value <= factor * macs


def _params(sums: Profile, printed: Printed | None) -> tuple[Way, bool | None]:
    """The first way of counting parameters that gives the printed figure; the plain count if none does."""
    plain = PARAMS_WAYS["params"]
    if printed is None:
        return plain, None
    for way in PARAMS_WAYS.values():
        if printed.agreement(way.of(sums) or 0):
            return way, True
    return plain, False


_Variants: TypeAlias = Iterator[tuple[TargetSpec, int]]


def _is_described(spec: TargetSpec) -> bool:
    return isinstance(spec.what, str) and not is_python(spec.what)


def _at_other_inputs(spec: TargetSpec) -> _Variants:
    """The network at other square inputs, with the same channels."""
    yield from _at_other_sides(spec, _shape(spec))


def _shape(spec: TargetSpec) -> tuple[int, ...]:
    """The one input of a network; empty for several, and where a Python model has none of its own."""
    if len(spec.inputs) > 1:
        return ()
    return spec.inputs[0].shape if spec.inputs else _default_input(spec)


def _at_other_sides(spec: TargetSpec, shape: tuple[int, ...]) -> _Variants:
    if len(shape) != 3 or shape[1] != shape[2]:
        return
    described = _is_described(spec)
    sides = [side for side in (SIDES if described else _SIDES_OF_MODELS) if side != shape[1]]
    sized = not described and (("img_size" in spec.settings) or not _runs_at(spec, shape[0], sides[0]))
    for side in sides:
        settings = {**spec.settings, "img_size": side} if sized else spec.settings
        yield spec._replace(inputs=(Input((shape[0], side, side)),), settings=settings), _OTHER_INPUT


def _runs_at(spec: TargetSpec, channels: int, side: int) -> bool:
    """Whether a Python model runs at another input without an option for it."""
    try:
        read_target(spec._replace(inputs=(Input((channels, side, side)),)))
    except FlopcalcError:
        return False
    return True


def _default_input(spec: TargetSpec) -> tuple[int, ...]:
    return library.load(spec.what, spec.settings).input_shape if _is_described(spec) else ()


def _options(spec: TargetSpec) -> _Variants:
    """The options of a described network changed one at a time."""
    if _is_described(spec):
        for name, value in library.load(spec.what, spec.settings).options.items():
            if name not in spec.settings:
                for other in _values(spec.what, name, value):
                    yield spec._replace(settings={**spec.settings, name: other}), _OPTION


def _variants(spec: TargetSpec) -> _Variants:
    """A described network with other options, and the other networks of its family."""
    yield from _options(spec)
    if _is_described(spec) and spec.what in library.names():
        for name in siblings(spec.what):
            yield spec._replace(what=name, settings={}), _SIBLING


def _variants_at_other_inputs(spec: TargetSpec) -> _Variants:
    # That of the network itself: a variant may not exist.
    shape = _shape(spec)
    for variant, rank in _options(spec):
        for one, more in _at_other_sides(variant, shape):
            if one.inputs[0].shape[1] in _SIDES_OF_MODELS:
                yield one, rank + more


def _models_of_libraries(spec: TargetSpec) -> _Variants:
    """The models of timm whose names begin as that of the network, such as resnet50d; none without timm."""
    if not isinstance(spec.what, str) or "." in spec.what:
        return
    name = spec.what.rpartition(":")[2]
    try:
        # Imports torch.
        models = import_module("flopcalc.pytorch.loading.attribute").timm_models(name)
    except (FlopcalcError, ImportError):
        return
    shape = spec.inputs[0].shape if spec.inputs else _default_input(spec)
    for other in models[:_MODELS]:
        if f"timm:{other}" != spec.what:
            yield TargetSpec("network", f"timm:{other}", inputs=(Input(shape),)), _SIBLING + _OPTION


_LAST = (_models_of_libraries, _variants_at_other_inputs)


def _values(network: str, name: str, value: Any) -> Iterable[Any]:
    """Other values of an option: the other truth value, the other choices, or those that papers use."""
    if isinstance(value, bool):
        return [not value]
    if name == "width" and type(value) is int and value > 1:
        # Channels, not a multiplier of them, which is 1 where none is given.
        return []
    if name in _VALUES:
        return [one for one in _VALUES[name] if str(one) != str(value)]
    return [one for one in library.compiled(network).choices(name) if one != value]


def siblings(network: str) -> list[str]:
    """The shipped networks of the family of a shipped one: names that begin with the same word, for inputs like its."""
    rows, _ = shipped()
    inputs = {row["name"]: row["input"] for row in rows["networks"]}
    small, word = _is_small(inputs.get(network, [])), _word(network)
    return [name for name in inputs if name != network and _word(name) == word and _is_small(inputs[name]) == small]


def _is_small(shape: Sequence[int]) -> bool:
    """Whether it is the input of a network for small images, such as those of CIFAR."""
    return max(shape[1:], default=224) <= _SMALL


def _word(name: str) -> str:
    """`resnet` of resnet50, wide_resnet50_2 and resnext50_32x4d; `mobilenet` of mobilenet_v2."""
    found = re.match(r"(?:wide_)?([a-z]+)", name)
    return {"resnext": "resnet", "wrn": "resnet"}.get(found[1], found[1]) if found else name


def agreements(figures: Iterable[tuple[Profile, Printed]], ways: Iterable[Way]) -> list[tuple[Way, int]]:
    """For each way of counting the number of figures that it gives, most first: the convention of a source.

    figures: the sums of each network, and its figure. Ways with the same number are in the order given.
    """
    pairs = list(figures)
    found = []
    for way in ways:
        values = [(way.of(sums), printed) for sums, printed in pairs]
        found.append((way, sum(value is not None and bool(printed.agreement(value)) for value, printed in values)))
    return sorted(found, key=lambda one: -one[1])
