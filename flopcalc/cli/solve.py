"""`flopcalc solve`."""

from typing import Any

import click

from flopcalc.analysis.solving.question import PICKS
from flopcalc.analysis.solving.solution import Solution
from flopcalc.analysis.solving.solve import solve_spec
from flopcalc.cli.any_target import check_options, network_spec, one_batch, operator_spec
from flopcalc.cli.completion import complete_networks
from flopcalc.cli.options import optional_shape_options, output_only_options
from flopcalc.cli.output import emit, format_of
from flopcalc.cli.progress import progress_bar
from flopcalc.cli.target import target_options
from flopcalc.cost.cost import DTYPE_BYTES
from flopcalc.errors import ExitCode, FlopcalcError
from flopcalc.report.solve import solve_document
from flopcalc.targets.kind import kind_of
from flopcalc.targets.spec import TargetSpec


@click.command("solve", epilog="Example: flopcalc solve mobilenet_v2 --for width --target 'macs <= 300M'")
@click.argument("name", metavar="TARGET", shell_complete=complete_networks)
@click.option(
    "--for",
    "for_",
    metavar="NAME[,NAME]",
    multiple=True,
    help="The value to search for: an option of the network, its input (height and width together), its batch, an "
    "option of a --replace clause, a size of an operator (cin, cout, k, hw, ...) or an option of it. With two names "
    "all pairs that meet the target are shown, without those that another pair beats in both values.",
)
@click.option(
    "--target",
    "targets",
    metavar="LIMIT",
    multiple=True,
    help="What the cost must meet: 'macs <= 300M', 'params < 5M', 'ratio(conv) < 1', 'macs <= 0.5 * baseline'. "
    "The answer is the largest value that meets it for <=, and the smallest one for >=; the other way round where the "
    "cost only falls as the value grows. Repeatable; all must hold.",
)
@click.option(
    "--subject", "subjects", metavar="LIMIT", multiple=True, help="A further limit that must hold; repeatable."
)
@click.option(
    "--pick",
    type=click.Choice(PICKS),
    default=None,
    help="Show the largest or the smallest value that meets the target.",
)
@click.option(
    "--among",
    "among_texts",
    metavar="[NAME=]VALUES",
    multiple=True,
    help="Try these values only: a range 128:448:32, which includes both ends, or a list 0.5,0.75,1; repeatable.",
)
@click.option(
    "--choose",
    metavar="OPERATOR,...",
    multiple=True,
    help="Choose one of these operators for each convolution that it can replace, so that --minimise or --maximise is "
    "optimal; keep is the convolution itself. Needs SciPy.",
)
@click.option("--minimise", metavar="KIND", help="With --choose: the kind of cost to make as small as possible.")
@click.option("--maximise", metavar="KIND", help="With --choose: the kind of cost to make as large as possible.")
@one_batch
@target_options
@optional_shape_options
@click.option(
    "--dtype",
    type=click.Choice(tuple(DTYPE_BYTES)),
    default="float32",
    show_default=True,
    help="Element type that memory traffic is measured in.",
)
@output_only_options
def command(
    name: str,
    for_: tuple[str, ...],
    targets: tuple[str, ...],
    subjects: tuple[str, ...],
    pick: str | None,
    among_texts: tuple[str, ...],
    choose: tuple[str, ...],
    minimise: str | None,
    maximise: str | None,
    dtype: str,
    fmt: str | None,
    output: str | None,
    **options: Any,
) -> int:
    """Which value of an option, a size or a clause meets a target.

    TARGET is a network or a Python model, as in `flopcalc model`, or an operator, as in `flopcalc layer`. Shows the
    value, its cost, and the interval of values that cost the same. Exit code 1 if no value meets the target.
    """
    fmt = format_of(fmt, output)
    is_choice = bool(choose or minimise or maximise)
    if is_choice and (for_ or among_texts or pick):
        raise FlopcalcError("bad-usage", "--choose does not go with --for", "search for a value or choose operators")
    spec = _spec(name, options, is_choice=is_choice)
    with progress_bar(name):
        solution = _solution(
            spec, for_, targets, subjects, pick, among_texts, choose, minimise, maximise, dtype, options
        )
    emit(solve_document(solution, flat=fmt in ("csv", "latex")), fmt, output)
    return ExitCode.CHECK_FAILED if solution.value is None else ExitCode.OK


def _solution(
    spec: TargetSpec,
    for_: tuple[str, ...],
    targets: tuple[str, ...],
    subjects: tuple[str, ...],
    pick: str | None,
    among_texts: tuple[str, ...],
    choose: tuple[str, ...],
    minimise: str | None,
    maximise: str | None,
    dtype: str,
    options: dict[str, Any],
) -> Solution:
    if choose or minimise or maximise:
        from flopcalc.analysis.solving.choosing import choose_operators

        where, keep = options["where"], options["keep"]
        limits = (*targets, *subjects)
        return choose_operators(spec, choose, minimise, maximise, limits, where=where, keep=keep, dtype=dtype)
    return solve_spec(spec, for_, targets, subjects, _listed(among_texts, for_), dtype, pick)


def _listed(texts: tuple[str, ...], for_: tuple[str, ...]) -> dict[str, list[str]]:
    names = [name.strip() for text in for_ for name in text.split(",")]
    found: dict[str, list[str]] = {}
    for text in texts:
        name, equals, values = text.rpartition("=")
        if not equals and len(names) > 1:
            why = f"--among {text} does not say of which of {', '.join(names)}"
            raise FlopcalcError("bad-usage", why, f"write --among {names[0]}={text}")
        found.setdefault(name.strip() if equals else ",".join(names), []).append(values)
    return found


def _spec(name: str, options: dict[str, Any], *, is_choice: bool) -> TargetSpec:
    """The network or the operator that the options describe. Raises FlopcalcError for options of the other one."""
    kind = kind_of(name)
    check_options(kind, name, options)
    if kind == "operator":
        return operator_spec(name, options)
    if is_choice:
        if options["replace_texts"]:
            why = "--choose and --replace both decide which operator a layer has"
            raise FlopcalcError("bad-usage", why, "write the operators of --replace behind --choose")
        # They are conditions on the choice.
        options = {**options, "where": None, "keep": ()}
    return network_spec(name, options)
