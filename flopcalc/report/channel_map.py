"""The input channels of one output channel, as text."""

from collections.abc import Iterable

from flopcalc.report.document import Facts
from flopcalc.spec.channel_map import ChannelMap

# Beyond this the torus does not fit a terminal; the list of channels says the same.
_WIDEST, _HIGHEST = 12, 32
# Beyond this the list shows its two ends.
_LISTED = 48


def channel_blocks(found: ChannelMap, c_in: int) -> Iterable[Facts]:
    """A list of the channels, and a picture of the torus where it has two axes."""
    facts = [("reads", f"{len(found.inputs):,} of {c_in:,} input channels: {_numbers(found.inputs)}")]
    if found.torus:
        facts.insert(0, ("place", f"{_text(found.place(found.channel))} of the torus {_text(found.torus, 'x')}"))
        facts.append(("neighbourhood", f"{_text(found.neighbourhood, 'x')}, cyclic, from the place on"))
    facts.append(("numbers", "channels and places are counted from 0; the order is that of the weights"))
    if len(found.torus) == 2 and found.torus[1] <= _WIDEST and found.torus[0] <= _HIGHEST:
        facts += _picture(found)
    yield Facts(facts, f"Output channel {found.channel}")


def _picture(found: ChannelMap) -> Iterable[tuple[str, str]]:
    rows, columns = found.torus
    read = set(found.inputs)
    width = len(str(rows * columns - 1)) + 2
    for row in range(rows):
        numbers = range(row * columns, (row + 1) * columns)
        cells = [f"[{number}]" if number in read else f"{number} " for number in numbers]
        yield f"row {row}", " ".join(cell.rjust(width) for cell in cells)


def _numbers(inputs: tuple[int, ...]) -> str:
    if len(inputs) <= _LISTED:
        return _text(inputs)
    half = _LISTED // 2
    return f"{_text(inputs[:half])}, ..., {_text(inputs[-half:])}"


def _text(numbers: tuple[int, ...], by: str = ", ") -> str:
    return by.join(map(str, numbers))
