"""Windows of pooling, their sizes and what lies in them, against torch and one by one."""

from itertools import product

import pytest
from helpers import WriteNetwork

from flopcalc import FlopcalcError, network
from flopcalc.cost import convention
from flopcalc.cost.cost import Cost
from flopcalc.primitives.pooling import avgpool, maxpool

# Small sizes, window, stride and padding: torch allows half a window of padding.
WINDOWS = [
    (size, k, stride, padding)
    for size, k, stride in product(range(1, 10), range(1, 5), range(1, 5))
    for padding in range(k // 2 + 1)
    if size + 2 * padding >= k
]


@pytest.mark.parametrize("ceil", [False, True])
def test_sizes_are_those_of_torch(ceil: bool) -> None:
    """Rows are pooled one way and columns another."""
    torch = pytest.importorskip("torch")
    for one, other in zip(WINDOWS, reversed(WINDOWS), strict=True):
        sizes, k, stride, padding = zip(one, other, strict=True)
        expected = torch.nn.MaxPool2d(k, stride, padding, ceil_mode=ceil)(torch.empty(1, 1, *sizes, device="meta"))
        for primitive in (maxpool, avgpool):
            found, _ = primitive([(1, *sizes)], 1, k, stride, padding, ceil)
            assert found == tuple(expected.shape[1:]), (one, other)


@pytest.mark.parametrize("ceil", [False, True])
def test_windows_end_with_the_padded_input(ceil: bool) -> None:
    """Counters with exact windows add the elements of each that are in the padded input; all are looked at here.

    Of 3 channels and 2 samples: one addition for each of the elements, and one division for each window.
    """
    exact = convention.get("ultralytics-thop")
    for size, k, stride, padding in WINDOWS:
        (_, out, _), (part,) = avgpool([(3, size, 7)], 2, (k, 1), (stride, 2), (padding, 0), ceil)
        starts = [stride * i for i in range(out)]
        inside = sum(1 for start in starts for place in range(start, start + k) if place < size + 2 * padding)
        assert exact.of(Cost((part,))) == 2 * 3 * 4 * (inside + out), (size, k, stride, padding)
        assert part.adds == 2 * 3 * 4 * out * k


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("{op: maxpool, k: [3, 2], padding: [2, 1]}", "padding 2x1 is more than half of the 3x2 window"),
        ("{op: avgpool, k: [4, 3], padding: [2, 2]}", "padding 2x2 is more than half of the 4x3 window"),
        ("{op: maxpool, k: [2, 6]}", "a 2x6 window does not fit its 9x5 input"),
        ("{op: maxpool, k: [10, 2]}", "a 10x2 window does not fit its 9x5 input"),
        ("{op: maxpool, k: 2, ceil: 1}", "ceil is 1, not true or false"),
    ],
)
def test_windows_that_do_not_fit(write_network: WriteNetwork, entry: str, message: str) -> None:
    """The error names the window."""
    with pytest.raises(FlopcalcError, match=message):
        network(write_network(f"input: [4, 9, 5]\nlayers:\n  - pool: {entry}\n"))
