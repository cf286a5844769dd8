"""`flopcalc lock`."""

from importlib import import_module

import click

from flopcalc.budget.check import Check
from flopcalc.budget.config import Config, find_config, read_config
from flopcalc.budget.lock import locked, read_lock, write_lock
from flopcalc.cli.common import write_atomically
from flopcalc.errors import ExitCode, FlopcalcError


@click.command("lock", epilog="Example: flopcalc lock --update")
@click.argument("file", required=False)
@click.option("--update", is_flag=True, help="Write the lock file anew after a wanted change.")
def command(file: str | None, update: bool) -> int:
    """Write down the exact cost of every target, layer by layer.

    FILE lists the targets, as for `flopcalc check`. The lock file stands beside it, to be kept under version
    control. One that is there and differs is written anew with --update only; without it the exit code is 1.
    """
    config = read_config(find_config(file))
    text = _text(config)
    try:
        before = read_lock(config.lock)
    except FlopcalcError:
        # A broken lock file is what --update mends.
        if not update:
            raise
        before = None
    if before is not None and _same(config.lock, text):
        click.echo(f"{config.lock} is up to date: {len(config.targets)} targets")
        return ExitCode.OK
    if before is not None and not update:
        click.echo(f"{config.lock} differs from what there is now; nothing was written", err=True)
        click.echo("`flopcalc check --locked` shows the difference, `flopcalc lock --update` accepts it", err=True)
        return ExitCode.CHECK_FAILED
    write_atomically(config.lock, text)
    click.echo(f"wrote {config.lock}: {len(config.targets)} targets")
    return ExitCode.OK


def _text(config: Config) -> str:
    check = Check(config, None)
    targets = [locked(check.of(spec.name)) for spec in config.targets]
    forms = [] if config.formulas is None else import_module("flopcalc.budget.formulas").formulas(config.formulas)
    return write_lock(targets, forms, config.dtype)


def _same(path: str, text: str) -> bool:
    with open(path, encoding="utf-8") as file:
        return file.read() == text
