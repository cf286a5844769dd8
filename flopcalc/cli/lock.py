"""`flopcalc lock`."""

import os
from importlib import import_module

import click

from flopcalc.budget.check import Check
from flopcalc.budget.config import Config, find_config, read_config
from flopcalc.budget.lock import lock_commands, locked, may_overwrite, parse_lock, read_lock, write_lock
from flopcalc.budget.record import check_formula_names
from flopcalc.cli.output import write
from flopcalc.cli.progress import progress_bar
from flopcalc.cli.target import timeout_option
from flopcalc.errors import ExitCode, FlopcalcError, clip, printable
from flopcalc.targets.spec import Timeout
from flopcalc.text.atomic_file import write_atomically


@click.command("lock", epilog="Example: flopcalc lock --update")
@click.argument("file", required=False)
@click.option("--update", is_flag=True, help="Overwrite the lock file after a wanted change.")
@timeout_option
def command(file: str | None, update: bool, timeout: Timeout) -> int:
    """Record the exact cost of every target in the lock file.

    FILE lists the targets, as for `flopcalc check`. The lock file is in the same folder; keep it under version
    control. It records every layer. An existing lock file that differs is overwritten with --update only;
    without it the exit code is 1.
    """
    config = read_config(find_config(file)).with_timeout(timeout)
    commands = lock_commands(config)
    before = _content(config.lock)
    try:
        there = read_lock(config.lock, commands) is not None
    except FlopcalcError as error:
        # --update replaces a broken lock file.
        if not update or error.code != "bad-lock":
            raise
        there = True
    text = _text(config)
    count = len(config.targets)
    described = f"{printable(config.lock)}: {'1 target' if count == 1 else f'{count:,} targets'}"
    if there and _same(config.lock, text):
        write(f"up to date, {described}\n")
        return ExitCode.OK
    if there and not update and parse_lock(text) == read_lock(config.lock, commands):
        # Only comments, blank lines or the order differ.
        write(f"up to date, {described}; written in another form, which `{commands.update}` replaces\n")
        return ExitCode.OK
    if there and not update:
        click.echo(f"{printable(config.lock)} differs from the present costs; nothing was written", err=True)
        check = commands.create.replace("flopcalc lock", "flopcalc check --locked", 1)
        click.echo(f"`{check}` shows the difference, `{commands.update}` accepts it", err=True)
        return ExitCode.CHECK_FAILED
    if not may_overwrite(config.lock):
        raise FlopcalcError(
            "not-a-lock",
            f"{clip(config.lock)} is not a lock file of flopcalc; nothing was written",
            "name another file after lock:, or remove this one",
        )
    if _content(config.lock) != before:
        # By another process, or by the user, while the costs were computed.
        raise FlopcalcError(
            "lock-changed",
            f"{clip(config.lock)} changed while the costs were computed; nothing was written",
            f"run `{commands.update if there else commands.create}` again",
        )
    try:
        write_atomically(config.lock, text)
    except FlopcalcError as error:
        raise FlopcalcError(error.code, error.message, "after lock:, name a file in an existing folder") from None
    write(f"wrote {described}\n")
    return ExitCode.OK


def _text(config: Config) -> str:
    check = Check(config, None)
    with progress_bar("targets"):
        targets = [locked(check.of(spec.name)) for spec in config.targets]
    if config.formulas.which == "none":
        return write_lock(targets, [], config.dtype)
    check_formula_names(config)
    present = import_module("flopcalc.budget.formulas").formulas(config)
    return write_lock(targets, [one.formula for one in present], config.dtype)


def _content(path: str) -> bytes | None:
    """The bytes of a regular file; None if there is none. `read_lock` reports what cannot be read."""
    try:
        if not os.path.isfile(path):
            return None
        with open(path, "rb") as file:
            return file.read()
    except (OSError, ValueError):
        return None


def _same(path: str, text: str) -> bool:
    found = _content(path)
    return found is not None and found.replace(b"\r\n", b"\n") == text.encode("utf-8", "surrogatepass")
