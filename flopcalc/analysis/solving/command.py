"""The command that shows the cost at an answer."""

import shlex
from collections.abc import Sequence
from typing import Any

from flopcalc.analysis.solving.variables import Variable
from flopcalc.targets.spec import TargetSpec


def command(subject: Any, flags: Sequence[tuple[str, str]], variables: Sequence[Variable]) -> str | None:
    """The command that shows the cost at an answer; None for an object of Python, which has no name."""
    spec: TargetSpec = subject.spec
    if not isinstance(spec.what, str):
        return None
    words = ["flopcalc", "layer" if spec.kind == "operator" else "model", spec.what]
    names = {variable.key for variable in variables}
    own = [(flag, value) for flag, value in spec.flags if not (flag == "--set" and value.partition("=")[0] in names)]
    clauses = [place for place, (flag, _) in enumerate(own) if flag == "--replace"]
    further = []
    for pair, variable in zip(flags, variables, strict=True):
        if pair[0] == "--replace":
            # At the place of the clause that has the option.
            own[clauses[subject.clauses.places[variable.key][0]]] = pair
        else:
            further.append(pair)
    if spec.kind == "operator":
        written = {"c_in": "--cin", "c_out": "--cout", "k": "-k"}
        own += [
            (written.get(name, f"--{name}"), "x".join(map(str, size)) if isinstance(size, tuple) else str(size))
            for name, size in spec.shape.items()
        ]
    else:
        own += [("--input", str(one)) for one in spec.inputs if "input" not in names]
        own += [("--batch", str(spec.batch))] if spec.batch != 1 and "batch" not in names else []
    if subject.dtype != "float32":
        further.append(("--dtype", subject.dtype))
    for flag, value in (*own, *further):
        words += [flag, value]
    return shlex.join(words)
