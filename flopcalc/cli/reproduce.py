"""`flopcalc reproduce`."""

from collections.abc import Mapping

import click

from flopcalc.cli.completion import complete_papers
from flopcalc.cli.options import output_only_options
from flopcalc.cli.output import emit, format_of
from flopcalc.cli.reproduce_page import document, recount_document, ways_document
from flopcalc.errors import ExitCode, FlopcalcError
from flopcalc.published import counts, pairs, sources
from flopcalc.published.compare import VERDICTS, reproduce_record
from flopcalc.published.pair_figures import all_found_ways


@click.command("reproduce", epilog="Example: flopcalc reproduce spconv --only misprint")
@click.argument("papers", nargs=-1, metavar="[SOURCE]...", shell_complete=complete_papers)
@click.option(
    "--only",
    "verdicts",
    type=click.Choice(tuple(VERDICTS)),
    multiple=True,
    help="Show only figures with this verdict; repeatable.",
)
@click.option(
    "--rules", metavar="SOURCE", default="", help="The source with the rules for a file of rows (.csv, .txt)."
)
@click.option("--recount", is_flag=True, help="Count the Python models again, and compare with the file of counts.")
@click.option("--ways", is_flag=True, help="Find the ways of counting of sources of rows from their figures alone.")
@click.option("--summary", is_flag=True, help="Show only the totals of each source.")
@click.option("--update", is_flag=True, help="With --recount: write the file of counts.")
@output_only_options
def command(
    papers: tuple[str, ...],
    verdicts: tuple[str, ...],
    rules: str,
    recount: bool,
    ways: bool,
    summary: bool,
    update: bool,
    fmt: str | None,
    output: str | None,
) -> int:
    """Printed figures compared with ours, digit by digit.

    Our figures are computed on each run, those of Python models come from a file of counts, so that torch is not
    needed. A printed figure agrees if ours, rounded or cut to its digits, is equal. SOURCE is the name of a paper, a
    project or an operator, or the path of a file of tables (.yaml) or of rows of parameters and FLOPs (.csv, .txt).
    Without it: all. Exit code 1 if a figure does not agree and no reason is given, or if --recount finds a difference.
    """
    fmt = format_of(fmt, output)
    if update and not recount:
        raise click.UsageError("--update needs --recount: it writes what --recount counts")
    if ways or recount:
        _check_alone(
            "--ways" if ways else "--recount", {"--recount": recount, "--only": verdicts, "--summary": summary}
        )
    found = sources.chosen(papers, rules)
    if (ways or recount) and not found.pairs:
        has = "has" if len(papers) == 1 else "have"
        raise FlopcalcError(
            "bad-usage",
            f"--{'ways' if ways else 'recount'} is for rows of parameters and FLOPs; {', '.join(papers)} {has} none",
            f"name one of: {', '.join(pairs.names())}; or give a file of rows with --rules",
        )
    if ways:
        emit(ways_document([one for source in found.pairs for one in all_found_ways(source)]), fmt, output)
        return ExitCode.OK
    if recount:
        record = counts.recount(sources.shipped().pairs if update else found.pairs, update=update)
        emit(recount_document(record), fmt, output)
        return ExitCode.CHECK_FAILED if record["differences"] and not update else ExitCode.OK
    result = reproduce_record(found.comparisons())
    whole = bool(papers) or bool(verdicts)
    flat = fmt in ("csv", "latex")
    shown = document(result, found.titles, verdicts or tuple(VERDICTS), flat=flat, whole=whole, summary=summary)
    emit(shown, fmt, output)
    return ExitCode.CHECK_FAILED if result["failed"] else ExitCode.OK


def _check_alone(name: str, others: Mapping[str, object]) -> None:
    """Raise FlopcalcError (bad-usage) if an option is given that has no effect beside that one."""
    for other, value in others.items():
        if value and other != name:
            raise FlopcalcError("bad-usage", f"{other} has no effect with {name}", f"leave out {other}, or {name}")
