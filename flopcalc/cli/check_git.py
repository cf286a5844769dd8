"""`flopcalc check --against`: the costs of the targets of a file at another revision of the git repository."""

import os

from flopcalc.budget.config import Config
from flopcalc.budget.git import revision
from flopcalc.budget.lock import parse_lock
from flopcalc.budget.record import Before
from flopcalc.cli.git_revision import asked, earlier_name
from flopcalc.text.input_file import decode, read_bytes


def costs_before(name: str, config: Config, targets: list[str]) -> Before:
    """What these targets of a file cost at a revision. Raises FlopcalcError."""
    folder, file = os.path.split(config.path)
    folder = folder or "."
    with revision(name, folder) as found:
        # Outside of the repository there is no file at another revision.
        found.path(config.path)
        request = {
            "job": "costs",
            "file": file,
            "present": decode(read_bytes(config.path, "file of targets")),
            "names": targets,
            "all": [one.name for one in config.targets],
            "dtype": config.dtype,
            "timeout": list(config.targets[0].target.timeout),
        }
        answer = asked(found, folder, request)
        lock = parse_lock(answer["lock"])
        # A target whose file was renamed is not gone: it is compared under its present name.
        renamed = {earlier_name(one.name, found, folder) for one in config.targets}
        return Before(
            {"revision": found.name, "commit": found.commit, "changed": found.changed},
            found.label,
            lock.targets,
            answer["absent"],
            tuple(name for name in answer["gone"] if name not in renamed),
            answer["note"],
        )
