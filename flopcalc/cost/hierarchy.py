"""The modules that a layer is in, by the dots in its name."""


def paths(name: str) -> list[str]:
    """`a.b.c` -> a, a.b, a.b.c: the modules around a layer, the outermost first, and the layer."""
    pieces = name.split(".")
    return [".".join(pieces[:length]) for length in range(1, len(pieces) + 1)]
