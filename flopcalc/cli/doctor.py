"""`flopcalc doctor`."""

import click

from flopcalc.cli.options import output_only_options
from flopcalc.cli.output import emit, format_of, write
from flopcalc.errors import ExitCode
from flopcalc.installation.doctor import examine
from flopcalc.report.doctor import doctor_document


@click.command("doctor", epilog="Example: flopcalc doctor")
@click.option(
    "--imports", is_flag=True, help="Also import each installed package, in a process of its own. This takes seconds."
)
@output_only_options
def command(imports: bool, fmt: str | None, output: str | None) -> int:
    """What is installed, what that enables, how to get the rest, and what is broken.

    Versions are read from the metadata of packages, so a package that is installed and fails when it is imported is
    found with --imports only. Also shows shipped files and plug-ins that do not load, the encoding of the output, and
    whether your shell completes names. Exit code 1 if anything is broken.
    """
    found = examine(imports=imports)
    fmt = format_of(fmt, output)
    document = doctor_document(found)
    try:
        emit(document, fmt, output)
    except ImportError:
        # Rich, which draws tables for terminals, is one of the packages that may be missing.
        from flopcalc.report.plain import render

        write(render(document, 80), output)
    return ExitCode.OK if found.ok else ExitCode.CHECK_FAILED
