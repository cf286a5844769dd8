"""The `flopcalc` command: a group that imports a command only when it is called, and the one place
where errors become text and exit codes.
"""

import os
import sys
from importlib import import_module
from typing import cast

import click

from flopcalc import __version__
from flopcalc.errors import ExitCode, FlopcalcError

# The object of the context in a process that runs this command line only.
OWN_PROCESS = "own process"

# name -> summary, as `flopcalc --help` shows it; a test compares it with the command's own.
COMMANDS = {
    "layer": "Cost of one operator on one shape.",
    "compare": "Several operators on one shape, side by side.",
    "formula": "Printed, corrected and exact cost of an operator, as algebra.",
    "model": "Cost of a network, whole or with layers replaced.",
    "diff": "Two networks, or two versions of one, layer by layer.",
    "check": "Costs against limits: fails where something became too dear.",
    "lock": "Write down the exact cost of every target, layer by layer.",
    "verify": "Confront formulas, prints and counts.",
    "list": "The operators and networks that flopcalc knows.",
    "reproduce": "The papers' tables beside ours, digit by digit.",
    "errata": "What the sources get wrong, with the evidence.",
    "cite": "The papers behind operators and tables, as text or BibTeX.",
    "schema": "The JSON Schema of network descriptions, for editors.",
}


class LazyGroup(click.Group):
    """A group whose commands live in modules of their own, imported when called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names, in the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        """Import the command's module and return its command."""
        if name not in COMMANDS:
            return None
        command = import_module(f"flopcalc.cli.{name}").command
        return cast(click.Command, command)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does it, with our error for an unknown name."""
        if args and not args[0].startswith("-") and args[0] not in COMMANDS:
            from flopcalc.errors import unknown_name

            raise unknown_name("command", args[0], COMMANDS, f"one of: {', '.join(COMMANDS)}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The table of summaries; imports no command."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Example: flopcalc layer --type compconv --cin 256",
    no_args_is_help=True,
)
@click.version_option(__version__, message="flopcalc %(version)s")
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
def cli(debug: bool) -> None:
    """What a convolution operator or a network costs: parameters, MACs, FLOPs.

    By the papers' formulas, by algebra, and proved against real PyTorch layers.
    """


def main(args: list[str] | None = None) -> int:
    """Run the command line; returns the exit code. No traceback reaches a user without --debug."""
    owner = OWN_PROCESS if args is None else None
    args = sys.argv[1:] if args is None else args
    # Accepted anywhere on the line, since it is added after the fact.
    debug = "--debug" in args
    args = [arg for arg in args if arg != "--debug"]
    try:
        result = cli.main(args, prog_name="flopcalc", standalone_mode=False, obj=owner)
        sys.stdout.flush()
        return int(result or 0)
    except FlopcalcError as error:
        if debug:
            raise
        return _fail(error.message, error.hint, error.exit_code)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.ctx.get_help() if error.ctx else "", err=True)
        return ExitCode.USAGE
    except click.UsageError as error:
        if debug:
            raise
        path = error.ctx.command_path if error.ctx else "flopcalc"
        return _fail(_one_line(error.format_message()), f"{path} --help shows the options", ExitCode.USAGE)
    except click.ClickException as error:
        return _fail(_one_line(error.format_message()), "flopcalc --help shows the commands", ExitCode.USAGE)
    except (click.Abort, KeyboardInterrupt):
        return 130
    except (BrokenPipeError, SystemExit):
        # The reader left (`| head`), which click makes a SystemExit: nothing to say, and nothing
        # more to write at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.OK
    except OSError as error:
        if debug:
            raise
        why = error.strerror or str(error)
        return _fail(f"cannot write the output: {why}", "check where the output goes", ExitCode.USAGE)
    except Exception as error:
        if debug:
            raise
        text = _one_line(f"{type(error).__name__}: {error}")[:300]
        return _fail(f"a bug in flopcalc ({text})", "run again with --debug and report what it prints", ExitCode.BUG)


def _one_line(text: str) -> str:
    text = " ".join(text.split())
    return text[:1].lower() + text[1:].rstrip(".")


def _fail(message: str, hint: str, code: ExitCode) -> int:
    message, hint = (" ".join(text.split()) for text in (message, hint))
    click.echo(f"error: {message}\nhint:  {hint}", err=True)
    return code


def run() -> None:
    """Entry point of the installed script."""
    sys.exit(main())
