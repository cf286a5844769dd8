"""Parts of an operator as its module computes them: a part for each run of a layer, and for tensors of constants.

A formula counts all runs of a layer as one part. How much of it is alive at once depends on the order of the runs: of
several branches the module computes each up to its end before the next, and drops what lies between. Constants that
the module makes in each forward cost nothing, and take memory.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from flopcalc.cost.cost import Part
from flopcalc.spec.operator import Evaluation

Parts = Sequence[Part]

_LAST_BLOCKS = 4


def unrolled(e: Evaluation | None, parts: Parts) -> tuple[Part, ...]:
    """The parts of an operator, each run of what its module computes several times as a part of its own.

    parts: each names what it waits for.
    """
    unroll = _UNROLLED.get(e.operator.name) if e is not None else None
    return tuple(parts) if e is None or unroll is None else tuple(unroll(e, parts))


def _branches(e: Evaluation, parts: Parts) -> Iterator[Part]:
    """mobileone: a convolution and its norm in each branch."""
    count = int(e.named["branches"]) if e.named["trains"] else 1
    for half in ("depthwise", "pointwise"):
        dense, norm = f"{half}.dense", f"{half}.dense.norm"
        parts = list(_in_turn(parts, (dense, norm), count))
    yield from parts


def _descriptors(e: Evaluation, parts: Parts) -> Iterator[Part]:
    """cbam: the mean through both layers, then the maximum."""
    shared = ("channel.reduce", "channel.act", "channel.expand")
    runs = [part for part in _in_turn(parts, shared, 2) if part.name != "channel.max"]
    second = next(place for place, part in enumerate(runs) if part.name == "channel.reduce.1")
    runs.insert(second, next(part for part in parts if part.name == "channel.max"))
    for part in runs:
        read = {"channel.reduce.0": "channel.mean", "channel.reduce.1": "channel.max"}.get(part.name)
        yield part if read is None else part._replace(after=(read,))


def _blocks(e: Evaluation, parts: Parts) -> Iterator[Part]:
    """gqa: rows of scores, each block with the columns up to the last that it needs."""
    block, tokens = e.named["block_size"], int(e.named["tokens"])
    if block is None or block >= tokens:
        yield from parts
        return
    inside = [part for part in parts if part.name in ("scores", "mask.add", "softmax", "mix")]
    # All constants, before they are cut to a triangle.
    parts = list(_with(parts, "mask", "mask.all", tokens**2))
    maps, width, starts = e.geometry.batch * e.named["heads"], e.named["width"], range(0, tokens, block)
    # The later a block, the more columns it needs: of those before the last ones only the outputs matter, in one part.
    earlier = starts[-_LAST_BLOCKS] if len(starts) > _LAST_BLOCKS else 0
    starts = starts[-_LAST_BLOCKS:]
    mixed = tuple(f"mix.{start}" for start in ([0] if earlier else []) + list(starts))
    for part in parts:
        if part.name == "softmax":
            if earlier:
                yield Part("mix.0", "move", writes=maps * earlier * width, after=())
            for start in starts:
                end = min(start + block, tokens)
                for one in inside:
                    writes = maps * (end - start) * (width if one.name == "mix" else end)
                    after = _of_run(one, inside, str(start))
                    yield one._replace(name=f"{one.name}.{start}", writes=writes, reads=0, after=after)
        elif part not in inside:
            # The outputs of all blocks are in a list.
            yield part._replace(after=mixed) if part.after == ("mix",) else part


def _shifted_windows(e: Evaluation, parts: Parts) -> Iterator[Part]:
    """attention: the constants that mask pairs of tokens."""
    mask = [part for part in parts if part.name == "mask"]
    return _with(parts, "mask", "mask.constants", mask[0].reads - mask[0].writes if mask else 0)


def _no_bias(e: Evaluation, parts: Parts) -> Iterator[Part]:
    """deform_conv: torchvision makes a bias of zeros where there is none."""
    return _with(parts, "conv", "conv.zeros", 0 if e.named["bias"] else e.geometry.c_out)


def _with(parts: Parts, reader: str, name: str, size: int) -> Iterator[Part]:
    """The parts, and before one of them a tensor that only that one reads."""
    for part in parts:
        if part.name == reader and size:
            yield Part(name, "move", writes=size, after=())
            yield part._replace(after=(*(part.after or ()), name))
        else:
            yield part


def _in_turn(parts: Parts, names: Sequence[str], count: int) -> Iterator[Part]:
    """The parts of those names in `count` equal runs in turn; what waits for one waits for all runs."""
    inside = [part for part in parts if part.name in names]
    for part in parts:
        if part.name not in names:
            yield part._replace(after=tuple(_all_runs(part.after or (), names, count)))
        elif part is inside[0]:
            for run in range(count):
                for one in inside:
                    after = _of_run(one, inside, str(run))
                    params, writes = one.params // count, one.writes // count
                    yield one._replace(name=f"{one.name}.{run}", params=params, writes=writes, reads=0, after=after)


def _of_run(part: Part, inside: Parts, run: str) -> tuple[str, ...]:
    """What a part waits for, by the names of its run."""
    own = {one.name for one in inside}
    return tuple(f"{name}.{run}" if name in own else name for name in part.after or ())


def _all_runs(after: Iterable[str], names: Sequence[str], count: int) -> Iterator[str]:
    for name in after:
        yield from (f"{name}.{run}" for run in range(count)) if name in names else (name,)


_UNROLLED: Mapping[str, Callable[[Evaluation, Parts], Iterator[Part]]] = {
    "attention": _shifted_windows,
    "cbam": _descriptors,
    "deform_conv": _no_bias,
    "gqa": _blocks,
    "mobileone": _branches,
}
