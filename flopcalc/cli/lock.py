"""`flopcalc lock`."""

from importlib import import_module

import click

from flopcalc.budget.check import Check
from flopcalc.budget.config import Config, find_config, read_config
from flopcalc.budget.lock import lock_commands, locked, may_overwrite, read_lock, write_lock
from flopcalc.errors import ExitCode, FlopcalcError, clip
from flopcalc.text.atomic_file import write_atomically


@click.command("lock", epilog="Example: flopcalc lock --update")
@click.argument("file", required=False)
@click.option("--update", is_flag=True, help="Write the lock file anew after a wanted change.")
def command(file: str | None, update: bool) -> int:
    """Write down the exact cost of every target, layer by layer.

    FILE lists the targets, as for `flopcalc check`. The lock file stands beside it, to be kept under version
    control. One that is there and differs is written anew with --update only; without it the exit code is 1.
    """
    config = read_config(find_config(file))
    commands = lock_commands(config)
    try:
        there = read_lock(config.lock, commands) is not None
    except FlopcalcError as error:
        # A broken lock file is what --update mends.
        if not update or error.code != "bad-lock":
            raise
        there = True
    text = _text(config)
    count = len(config.targets)
    told = f"{config.lock}: {'1 target' if count == 1 else f'{count:,} targets'}"
    if there and _same(config.lock, text):
        click.echo(f"up to date, {told}")
        return ExitCode.OK
    if there and not update:
        click.echo(f"{config.lock} differs from what there is now; nothing was written", err=True)
        check = commands.create.replace("flopcalc lock", "flopcalc check --locked", 1)
        click.echo(f"`{check}` shows the difference, `{commands.update}` accepts it", err=True)
        return ExitCode.CHECK_FAILED
    if not may_overwrite(config.lock):
        raise FlopcalcError(
            "not-a-lock",
            f"{clip(config.lock)} is no lock file of flopcalc; nothing was written",
            "name another file by lock:, or remove it",
        )
    try:
        write_atomically(config.lock, text)
    except FlopcalcError as error:
        raise FlopcalcError(error.code, error.message, "lock: names a file in a folder that is there") from None
    click.echo(f"wrote {told}")
    return ExitCode.OK


def _text(config: Config) -> str:
    check = Check(config, None)
    targets = [locked(check.of(spec.name)) for spec in config.targets]
    if config.formulas.which == "none":
        return write_lock(targets, [], config.dtype)
    present = import_module("flopcalc.budget.formulas").formulas(config)
    return write_lock(targets, [one.formula for one in present], config.dtype)


def _same(path: str, text: str) -> bool:
    with open(path, "rb") as file:
        return file.read().replace(b"\r\n", b"\n") == text.encode("utf-8", "surrogatepass")
