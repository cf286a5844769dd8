"""The `flopcalc` command: a group that imports a command only when it is called, and the one function that turns
errors into text and exit codes.
"""

import errno
import os
import sys
from contextlib import suppress
from importlib import import_module
from typing import Any, cast

import click

from flopcalc import __version__
from flopcalc.cli.output import encodable
from flopcalc.errors import ExitCode, FlopcalcError, clip, printable

# The object of the context in a process that runs this command line only.
OWN_PROCESS = "own process"
# The signals that asked this process to end. Other code may have made another error of the interrupt.
REQUESTS: list[int] = []
_INTERRUPTED = 130
_AGAIN = "install flopcalc again"

# name -> summary, as `flopcalc --help` shows it; a test compares it with the command's own.
COMMANDS = {
    "layer": "Cost of one operator on one shape.",
    "compare": "Several operators on one shape, side by side.",
    "formula": "Cost of an operator or a network, as algebra.",
    "model": "Cost of a network, as it is or with layers replaced.",
    "sweep": "Cost of all combinations of shapes and options.",
    "explain": "Why counters report different numbers for a network, line by line.",
    "roofline": "How long an operator or a network takes on a device, and what limits it.",
    "bench": "Measure how long an operator or a network takes on this machine.",
    "calibrate": "Write a device file for this machine, with efficiencies fitted on measurements.",
    "memory": "What a network needs in memory, for inference or training.",
    "plot": "Draw costs as a picture: SVG, PDF, PNG, or an interactive page.",
    "report": "A report of an operator or a network to send to others.",
    "solve": "Which value of an option, a size or a clause meets a target.",
    "diff": "Two networks, or two versions of one, layer by layer.",
    "check": "Check costs against limits; exit code 1 if any is exceeded.",
    "lock": "Record the exact cost of every target in the lock file.",
    "verify": "Check formulas against printed equations and counted kernels.",
    "list": "The operators, networks, conventions and devices that flopcalc has.",
    "reproduce": "Printed figures compared with ours, digit by digit.",
    "errata": "Errors in the sources, with the evidence.",
    "cite": "The papers behind operators and tables, as text or BibTeX.",
    "schema": "The JSON Schema of network descriptions, for editors.",
    "doctor": "What is installed, what that enables, how to get the rest, and what is broken.",
}


class LazyGroup(click.Group):
    """A group of commands. The module of a command is imported when the command is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names, in the order of COMMANDS."""
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
        """The command that the arguments name; an unknown name is an error with a suggestion."""
        if args and not args[0].startswith("-") and args[0] not in COMMANDS and not ctx.resilient_parsing:
            from flopcalc.errors import unknown_name

            raise unknown_name("command", args[0], COMMANDS, f"one of: {', '.join(COMMANDS)}")
        return super().resolve_command(ctx, args)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[Any]:
        """Names and summaries of commands, then options; imports no command."""
        from click.shell_completion import CompletionItem

        found = [CompletionItem(name, help=text) for name, text in COMMANDS.items() if name.startswith(incomplete)]
        return [*found, *click.Command.shell_complete(self, ctx, incomplete)]

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

    By the formulas of the papers and by algebra, checked against real PyTorch layers.
    """


def main(args: list[str] | None = None) -> int:
    """Run the command line; returns the exit code. A user sees no traceback without --debug."""
    owner = OWN_PROCESS if args is None else None
    args = sys.argv[1:] if args is None else args
    # Accepted anywhere on the line: it is often added to a command that was typed before.
    debug = "--debug" in args
    args = [arg for arg in args if arg != "--debug"]
    stdout = sys.stdout
    # Of an earlier command in this process.
    if (files := sys.modules.get("flopcalc.text.input_file")) is not None:
        files.forget()
    try:
        result = cli.main(args, prog_name="flopcalc", standalone_mode=False, obj=owner)
        sys.stdout.flush()
        return int(result or 0)
    except FlopcalcError as error:
        if debug:
            return _traceback(error.exit_code)
        return _fail(error.message, error.hint, error.exit_code)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.ctx.get_help() if error.ctx else "", err=True)
        return ExitCode.USAGE
    except click.ClickException as error:
        if debug:
            return _traceback(ExitCode.USAGE)
        return _fail(_one_line(error.format_message()), _click_hint(error))
    except (click.Abort, KeyboardInterrupt):
        return _INTERRUPTED
    except (OSError, SystemExit) as error:
        # For a broken pipe click wraps standard output and exits.
        left = sys.stdout is not stdout if isinstance(error, SystemExit) else error.errno == errno.EPIPE
        if not left and isinstance(error, SystemExit):
            raise
        if not left and debug:
            return _traceback(ExitCode.USAGE)
        return _unwritten(None if left else error)
    except Exception as error:
        if debug:
            return _traceback(ExitCode.BUG)
        return _unexpected(error)


def _click_hint(error: click.ClickException) -> str:
    """Where the options are shown; for something missing also the example of the command."""
    context: click.Context | None = getattr(error, "ctx", None)
    if context is None:
        return "flopcalc --help shows the options"
    hint = f"{context.command_path} --help shows the options"
    if isinstance(error, click.MissingParameter):
        example = (context.command.epilog or "").removeprefix("Example: ")
        flags = [] if isinstance(error.param, click.Argument) or error.param is None else error.param.opts
        if "--cin" in flags and "--cin" not in example:
            # The example is one of a network.
            example = "--cin 64"
        return f"write for example {example}; {hint}" if example else hint
    return hint


def _traceback(code: ExitCode) -> int:
    """Show the traceback of the present error; returns the exit code, which `raise` would change to 1."""
    if REQUESTS:
        return _INTERRUPTED
    import traceback

    with suppress(OSError):
        click.echo(encodable(printable(traceback.format_exc()), sys.stderr), err=True, nl=False)
    return code


def _unwritten(error: OSError | SystemExit | None) -> int:
    """Standard output takes no more text. None: only its reader left (`| head`), which is not an error."""
    if isinstance(error, OSError) and error.filename is not None:
        return _unusable(error)
    # What is still in the buffer would fail again when the interpreter ends.
    null = os.open(os.devnull, os.O_WRONLY)
    with suppress(OSError, ValueError):
        os.dup2(null, sys.stdout.fileno())
    if not isinstance(error, OSError):
        return ExitCode.OK
    why = "standard output is closed" if error.errno == errno.EBADF else error.strerror or str(error)
    return _fail(f"cannot write the output: {why}", "check where the output goes, or write to a file with -o")


def _unusable(error: OSError) -> int:
    """A file or folder that no part of the program asks for carefully, such as one of flopcalc itself."""
    path = os.fsdecode(error.filename) if isinstance(error.filename, str | bytes) else str(error.filename)
    package = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    # In a checkout the shipped files are beside the package.
    folders = (package, os.path.join(os.path.dirname(package), "configs"))
    ours = os.path.abspath(path).startswith(tuple(os.path.join(folder, "") for folder in folders))
    hint = f"{_AGAIN}, or see `flopcalc doctor`" if ours else "check that path, or see the traceback with --debug"
    return _fail(f"cannot use {clip(path, 200)}: {error.strerror}", hint, ExitCode.MISSING if ours else ExitCode.USAGE)


def _unexpected(error: Exception) -> int:
    text = " ".join(f"{type(error).__name__}: {error}".split())[:300].rstrip(".")
    if isinstance(error, ImportError) and not (error.name or "").startswith("flopcalc"):
        hint = "`flopcalc doctor --imports` shows what is broken"
        return _fail(f"a package that flopcalc needs cannot be imported ({text})", hint, ExitCode.MISSING)
    hint = "run again with --debug and report the output"
    if isinstance(error, ModuleNotFoundError):
        hint = f"a part of it is missing: {_AGAIN}; otherwise {hint}"
    return _fail(f"a bug in flopcalc ({text})", hint, ExitCode.BUG)


def _one_line(text: str, length: int = 400) -> str:
    # click repeats a value in full.
    words = (word if len(word) <= 100 else f"{word[:58]}…{word[-1]}" for word in text.split())
    text = " ".join(words)
    return _shortened(text[:1].lower() + text[1:].rstrip("."), length)


def _shortened(text: str, length: int) -> str:
    return text if len(text) <= length else f"{text[: length - 1]}…"


def _fail(message: str, hint: str, code: ExitCode = ExitCode.USAGE) -> int:
    """Report an error in two lines on standard error; returns the exit code."""
    if REQUESTS:
        return _INTERRUPTED
    message, hint = (_shortened(printable(" ".join(text.split())), 1000) for text in (message, hint))
    with suppress(OSError):
        click.echo(encodable(f"error: {message}\nhint:  {hint}", sys.stderr), err=True)
    return code


def open_streams() -> None:
    """Give the process streams instead of closed ones (`>&-`), for which Python has None.

    Standard output is then open for reading only, so that writing to it is an error.
    """
    if sys.stdout is None:
        sys.stdout = os.fdopen(os.open(os.devnull, os.O_RDONLY), "w")
    if sys.stderr is None:
        sys.stderr = os.fdopen(os.open(os.devnull, os.O_WRONLY), "w")
