"""`flopcalc schema`."""

import json

import click

from flopcalc.cli.output import format_of, output_option, write
from flopcalc.networks.schema import network_schema


@click.command("schema", epilog="Example: flopcalc schema")
@output_option
def command(output: str | None) -> None:
    """The JSON Schema of network descriptions, for editors.

    An editor with a YAML language server uses it for descriptions that begin with the comment
    `# yaml-language-server: $schema=network.schema.json`.
    """
    fmt = format_of(None, output, {".json": "json"}, "json")
    write(json.dumps(network_schema(), indent=1) + "\n", output, fmt)
