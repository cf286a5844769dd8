"""`flopcalc schema`."""

import json

import click

from flopcalc.networks.schema import network_schema
from flopcalc.text.atomic_file import write_atomically


@click.command("schema", epilog="Example: flopcalc schema")
@click.option("-o", "--output", metavar="FILE", help="Write to FILE instead of the terminal.")
def command(output: str | None) -> None:
    """The JSON Schema of network descriptions, for editors.

    An editor with a YAML language server uses it for descriptions that begin with the comment
    `# yaml-language-server: $schema=network.schema.json`.
    """
    content = json.dumps(network_schema(), indent=1) + "\n"
    if output is None:
        click.echo(content, nl=False)
    else:
        write_atomically(output, content)
