"""Types of options, and the options that several commands share."""

import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import click

from flopcalc.cli.completion import complete_conventions, complete_devices
from flopcalc.cli.output import FORMATS, output_option
from flopcalc.cost import convention
from flopcalc.cost.cost import DTYPE_BYTES
from flopcalc.cost.geometry import SAME, Geometry, height_and_width
from flopcalc.errors import FlopcalcError, clip
from flopcalc.spec.operator import Operator

if TYPE_CHECKING:
    ParamType = click.ParamType[Any]
else:
    # click before 8.4 has no type parameter here.
    ParamType = click.ParamType


class Size(ParamType):
    """A whole number, two for height and width, or three for depth, height and width: 3, 3x5, 3x5x5."""

    name = "N[xN]"

    # A word that stands for a size.
    word: str | None = None
    least = 1

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Int or a tuple of ints; the upper bound is checked with the geometry."""
        if not isinstance(value, str) or value == self.word:
            return value
        pieces = value.lower().split("x")
        try:
            numbers = [whole(piece) for piece in pieces]
        except ValueError:
            numbers = []
        if len(numbers) not in (1, 2, 3):
            word = f", or {self.word}" if self.word else ""
            must = f"it must be a whole number (up to 10^100), or two such as 3x5{word}"
            raise FlopcalcError(
                "bad-dimension",
                f"{_option(param)} is {clip(value)}; {must}",
                _for_example(param),
            )
        for number in numbers:
            _check_least(number, self.least, value, param)
        return numbers[0] if len(numbers) == 1 else tuple(numbers)


class Padding(Size):
    """A size, or `same`."""

    word = SAME
    least = 0


class Whole(ParamType):
    """A whole number of any size."""

    name = "N"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The int; the bounds are checked with the geometry."""
        try:
            return whole(value)
        except ValueError:
            raise FlopcalcError(
                "bad-dimension",
                f"{_option(param)} is {clip(value)}; it must be a positive whole number (up to 10^100)",
                _for_example(param),
            ) from None


class Positive(Whole):
    """A whole number from 1 on: a size of a shape."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The int; the upper bound is checked with the geometry."""
        number = super().convert(value, param, ctx)
        _check_least(number, 1, value, param)
        return number


def _check_least(number: int, least: int, value: Any, param: click.Parameter | None) -> None:
    """Raise FlopcalcError (bad-dimension) for a number below `least`, with the option as the user wrote it."""
    if number < least:
        must = "a positive whole number" if least else "a whole number, 0 or more"
        raise FlopcalcError(
            "bad-dimension",
            f"{_option(param)} is {clip(value)}; it must be {must} (up to 10^100)",
            _for_example(param),
        )


def whole(value: Any) -> int:
    """The int of plain digits. Its length is limited, since reading a long number takes quadratic time."""
    if isinstance(value, str) and not re.fullmatch(r"[+-]?[0-9]{1,200}", value.strip(), re.ASCII):
        raise ValueError
    return int(value)


# Values for hints; of other options 1.
_EXAMPLES = {"--cin": 64, "--cout": 64, "-k": 3, "--hw": 56, "--h": 56, "--w": 56}


def _for_example(param: click.Parameter | None) -> str:
    option = _option(param)
    return f"write for example {option} {_EXAMPLES.get(option, 1)}"


def _option(param: click.Parameter | None) -> str:
    return param.opts[0] if param else "the value"


def output_only_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """--format and -o, for commands whose numbers no convention changes."""
    options = (
        click.option(
            "--format",
            "fmt",
            type=click.Choice(FORMATS),
            default=None,
            help="How to write the result (default: table, or by the suffix of -o).",
        ),
        output_option,
    )
    for option in reversed(options):
        command = option(command)
    return command


def device_option(text: str, *, required: bool = False) -> Callable[..., Any]:
    """--device, the same for every command. text: its help, since commands show different things of a device."""
    return click.option(
        "--device",
        "device_name",
        metavar="NAME|FILE",
        required=required,
        shell_complete=complete_devices,
        help=text,
    )


def convention_option(what: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """--convention: what a figure counts."""
    return click.option(
        "--convention",
        "convention_name",
        metavar="NAME",
        shell_complete=complete_conventions,
        default="macs",
        show_default=True,
        help=f"What {what} counts: {', '.join(convention.CONVENTIONS)}.",
    )


def output_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """--format, -o, --convention, --dtype: the same for every command that shows rows."""
    options = (
        convention_option("the headline"),
        click.option(
            "--dtype",
            type=click.Choice(tuple(DTYPE_BYTES)),
            default="float32",
            show_default=True,
            help="Element type that memory traffic is measured in.",
        ),
    )
    for option in reversed(options):
        command = option(command)
    return output_only_options(command)


def bits_option(help_text: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """--bits."""
    return click.option("--bits", "bits_text", metavar="wNaN", help=help_text)


BITS_HELP = (
    "Also count BOPs of quantised layers: MACs x bits of weights x bits of activations. w4a8: 4 bits for weights, "
    "8 for activations."
)


def shape_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The shape of one layer: --cin, --cout, -k, --hw, --h, --w, --stride, ..."""
    options = (
        click.option("--cin", type=Positive(), required=True, help="Input channels."),
        click.option("--cout", type=Positive(), help="Output channels (default: --cin)."),
        click.option("-k", "--kernel", "k", type=Size(), help="Kernel size (default: 3); of volumes also 3x5x5."),
        click.option("--hw", type=Size(), help="Input height and width (default: 56)."),
        click.option("--h", "height", type=Positive(), help="Input height."),
        click.option("--w", "width", type=Positive(), help="Input width."),
        click.option("--stride", type=Size(), help="Stride (default: 1)."),
        click.option("--padding", type=Padding(), help="Padding, or same (default: dilation * (k - 1) / 2)."),
        click.option("--dilation", type=Size(), help="Dilation (default: 1)."),
        click.option("--groups", type=Positive(), help="Groups (default: 1)."),
        click.option("--batch", type=Positive(), help="Batch size (default: 1)."),
    )
    for option in reversed(options):
        command = option(command)
    return command


def default_c_in(operator: Operator, options: Mapping[str, Any]) -> int:
    """The input channels that the options fix; an error as click's where --cin is needed and missing."""
    fixed = operator.default_c_in(operator.resolve(options)) if operator.default_c_in else None
    if fixed is None:
        context = click.get_current_context()
        missing = next(param for param in context.command.params if "--cin" in param.opts)
        raise click.MissingParameter(ctx=context, param=missing)
    return fixed


def optional_shape_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The shape options, with --cin optional."""
    decorated = shape_options(command)
    for option in decorated.__click_params__:  # type: ignore[attr-defined]
        option.required = False
    return decorated


SHAPE_NAMES = ("cin", "cout", "k", "hw", "height", "width", "stride", "padding", "dilation", "groups", "batch")


def read_shape(
    operator: Operator, shape: dict[str, Any], options: Mapping[str, Any]
) -> tuple[Geometry, frozenset[str]]:
    """The geometry for an operator, and the JSON names of the inputs that were not given."""
    hw = height_and_width(shape["hw"], shape["height"], shape["width"], dashes="--")
    optional = ("cout", "k", "stride", "padding", "dilation", "groups", "batch")
    defaulted = {name for name in optional if shape[name] is None} | ({"h", "w"} if hw is None else set())
    sizes = {name: shape[name] for name in ("k", "stride", "padding", "dilation", "groups")}
    geometry = operator.geometry(shape["cin"], shape["cout"], options, hw=hw, batch=shape["batch"], **sizes)
    return geometry, frozenset(defaulted)
