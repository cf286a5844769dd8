"""Measure sweeps: combinations a second on one core, with all columns and a filter, before anything is written.

First next to hand-written NumPy in the same process: functions that compute the same columns of the same combinations
of a convolution, of a Ghost module and of SPConv, in blocks of the same size, on open grids, with the same filter and
the same check for overflow (the bound of each array's values is carried along, and compared with 2^63). The results are
compared too. Then the rate of every operator, the slowest last. No test depends on the results.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from flopcalc.analysis.sweeping.asked import ask
from flopcalc.analysis.sweeping.grid import BLOCK
from flopcalc.analysis.sweeping.run import one_after_another
from flopcalc.catalog import lookup

Array = Any
ROUNDS = 5
CHANNELS = range(16, 2049, 16)
SIZES = range(7, 57, 7)
KERNELS = (1, 3, 5, 7)
STRIDES = (1, 2)
WHERE = "macs < 1e9"
LIMIT = 2**63


class Carried:
    """An array with a bound of the absolute values of its elements. Only what the functions below need."""

    def __init__(self, array: Array, bound: int) -> None:
        if bound >= LIMIT:
            raise OverflowError
        self.array, self.bound = array, bound

    def __add__(self, other: Any) -> "Carried":
        return Carried(self.array + array(other), self.bound + bound(other))

    __radd__ = __add__

    def __sub__(self, other: Any) -> "Carried":
        return Carried(self.array - array(other), self.bound + bound(other))

    def __mul__(self, other: Any) -> "Carried":
        return Carried(self.array * array(other), self.bound * bound(other))

    __rmul__ = __mul__

    def __floordiv__(self, other: Any) -> "Carried":
        return Carried(self.array // array(other), self.bound)


def array(value: Any) -> Any:
    """The array of an operand, or an int."""
    return value.array if isinstance(value, Carried) else value


def bound(value: Any) -> int:
    """The bound of an operand."""
    return value.bound if isinstance(value, Carried) else abs(value)


def blocks() -> Iterator[list[Carried]]:
    """c_in, c_out, k, hw, stride as open grids, a few values of c_in at a time."""
    rest = len(CHANNELS) * len(KERNELS) * len(SIZES) * len(STRIDES)
    step = max(1, BLOCK // rest)
    axes = [np.array(values, dtype=np.int64) for values in (CHANNELS, CHANNELS, KERNELS, SIZES, STRIDES)]
    # The last three axes are one, so that the inner loops are long.
    k, hw, stride = (one.reshape(1, 1, -1) for one in np.meshgrid(*axes[2:], indexing="ij"))
    for start in range(0, len(CHANNELS), step):
        c_in = axes[0][start : start + step].reshape(-1, 1, 1)
        yield [Carried(one, int(one.max())) for one in (c_in, axes[1].reshape(1, -1, 1), k, hw, stride)]


def conv_parts(c_in: Any, c_out: Any, area: Any, p_in: Any, p_out: Any, groups: int = 1) -> tuple[Any, Any, Any, Any]:
    """Parameters, MACs, activations and traffic of a convolution."""
    weights = c_in * c_out // groups * area
    size = c_out * p_out
    return weights, weights * p_out, size, weights + c_in * p_in + size


def conv(c_in: Carried, c_out: Carried, k: Carried, hw: Carried, stride: Carried) -> dict[str, Any]:
    """All kinds of a plain convolution."""
    out = (hw + 2 * ((k - 1) // 2) - k) // stride + 1
    params, macs, size, traffic = conv_parts(c_in, c_out, k * k, hw * hw, out * out)
    kinds = {"params": params, "macs": macs, "flops": 2 * macs, "activations": size, "traffic": 4 * traffic, "steps": 1}
    return kinds | {"adds": 0, "muls": 0, "other": 0, "h_out": out, "w_out": out, "refused": False}


def ghost(c_in: Carried, c_out: Carried, k: Carried, hw: Carried, stride: Carried) -> dict[str, Any]:
    """All kinds of a Ghost module with s = 2, d = 3."""
    out = (hw + 2 * ((k - 1) // 2) - k) // stride + 1
    grid = out * out
    m = (c_out + 1) // 2
    params, macs, size, traffic = conv_parts(c_in, m, k * k, hw * hw, grid)
    cheap = m * 9
    params, macs = params + cheap, macs + cheap * grid
    made = m * grid
    traffic = traffic + cheap + made + made + 2 * (2 * m) * grid
    kinds = {
        "params": params,
        "macs": macs,
        "flops": 2 * macs,
        "activations": size + made,
        "traffic": 4 * traffic,
        "steps": 3,
    }
    return kinds | {"adds": 0, "muls": 0, "other": 0, "h_out": out, "w_out": out, "refused": False}


def spconv(c_in: Carried, c_out: Carried, k: Carried, hw: Carried, stride: Carried) -> dict[str, Any]:
    """All kinds of SPConv with alpha = 1/2, two groups, weighted fusion; its pooling only at a stride."""
    out = (hw + 2 * ((k - 1) // 2) - k) // stride + 1
    grid, p_in = out * out, hw * hw
    strided = (stride.array != 1).astype(np.int64)
    flag = Carried(strided, 1)
    half = c_in // 2
    rest = c_in - half
    size = c_out * grid
    gwc = half * c_out // 2 * (k * k)
    pwc, other = half * c_out, rest * c_out
    params = gwc + pwc + other
    macs = params * grid
    window = stride * stride
    pooled = c_in * grid
    adds = flag * (pooled * window) + size + 2 * size + 2 * c_out + size
    muls = 2 * size
    divisions = flag * pooled + 2 * c_out + 4 * c_out
    flops = 2 * macs + adds + muls + divisions
    traffic = flag * (c_in * p_in + pooled) + gwc + half * p_in + size + pwc + half * grid + size + 3 * size
    traffic = traffic + other + rest * grid + size
    traffic = traffic + 2 * (size + c_out) + 2 * (2 * c_out) + 2 * (2 * c_out) + 2 * (2 * size + c_out) + 3 * size
    kinds = {"params": params, "macs": macs, "flops": flops, "activations": 3 * size, "traffic": 4 * traffic}
    # The slowest way: pooling, 1x1, sum, means, softmax, stack, scale, sum.
    kinds |= {"steps": Carried(strided + 7, 8), "adds": adds, "muls": muls, "other": divisions}
    return kinds | {"h_out": out, "w_out": out, "refused": (k.array % 2 == 0) | (half.array % 2 != 0)}


def by_hand(function: Callable[..., dict[str, Any]], columns: Sequence[str]) -> Iterator[dict[str, Array]]:
    """The rows of all blocks: those that apply and have fewer than 10^9 MACs."""
    for axes in blocks():
        values = function(*axes)
        c_in, c_out, k, hw, stride = axes
        values |= {"c_in": c_in, "c_out": c_out, "k": k, "h": hw, "w": hw, "stride": stride, "padding": (k - 1) // 2}
        shape = np.broadcast_shapes(*(one.array.shape for one in axes))
        mask = values["macs"].array < 10**9
        if values["refused"] is not False:
            mask = mask & ~values["refused"]
        mask = np.broadcast_to(mask, shape)
        yield {
            name: np.broadcast_to(values[name].array, shape)[mask]
            if isinstance(values[name], Carried)
            else values[name]
            for name in columns
        }


def rate(run: Callable[[], int], rounds: int = ROUNDS) -> float:
    """Millions of combinations a second, the best of several rounds."""
    best = 0.0
    for _ in range(rounds):
        start = time.perf_counter()
        count = run()
        best = max(best, count / (time.perf_counter() - start) / 1e6)
    return best


def swept(name: str, sizes: dict[str, Any]) -> Any:
    """A sweep that is ready to run, with all columns of a file."""
    return ask([name], sizes=sizes, settings={}, where=(WHERE,))


def compare(name: str, function: Callable[..., dict[str, Any]], rounds: int = ROUNDS) -> dict[str, Any]:
    """One operator by a sweep and by hand: the same rows, and the combinations a second of each, which take turns."""
    sizes = {"c_in": CHANNELS, "c_out": CHANNELS, "k": KERNELS, "hw": SIZES, "stride": STRIDES}
    sweeping = swept(name, sizes)
    kinds = [one for one in sweeping.columns if one not in ("operator", "dilation", "groups", "batch")]
    ours = [rows for task in sweeping.tasks() for rows in sweeping.run(task).rows]
    hand = list(by_hand(function, kinds))
    for column in kinds:
        left = [np.broadcast_to(one.columns[column], one.count) for one in ours if one.count]
        right = [np.broadcast_to(one[column], len(one["macs"])) for one in hand]
        assert np.array_equal(np.concatenate(left), np.concatenate(right)), (name, column)  # noqa: S101

    def ours_again() -> int:
        # With the recording of the formula, as a user has it.
        return sum(result.combinations for result in one_after_another(swept(name, sizes), None))

    def by_hand_again() -> int:
        for _ in by_hand(function, kinds):
            pass
        return int(sweeping.combinations)

    one = other = 0.0
    for _ in range(rounds):
        one, other = max(one, rate(ours_again, 1)), max(other, rate(by_hand_again, 1))
    return {
        "operator": name,
        "combinations": sweeping.combinations,
        "per_second": one * 1e6,
        "by_hand_per_second": other * 1e6,
        "ratio": one / other,
    }


FUNCTIONS = {"conv": conv, "ghost": ghost, "spconv": spconv}


def of_every_operator() -> None:
    """The rate of each operator at its own defaults, with as many output as input channels."""
    rates = []
    for name in lookup.names():
        operator = lookup.get(name)
        sizes: dict[str, Any] = {"c_in": range(48, 48 * 129, 48), "hw": range(6, 6 * 33, 6), "batch": range(1, 65)}
        if "k" not in operator.shape:
            sizes["k"] = (3, 5)
            sizes["batch"] = range(1, 33)
        sweeping = swept(name, sizes)
        applies = 1 - sum(
            one.count for task in list(sweeping.tasks())[:1] for _, one in sweeping.run(task).refused
        ) / min(sweeping.combinations, BLOCK * 8)

        def run(name: str = name, sizes: dict[str, Any] = sizes) -> int:
            return sum(result.combinations for result in one_after_another(swept(name, sizes), None))

        rates.append((rate(run), name, applies))
    for found, name, applies in sorted(rates, reverse=True):
        print(f"{name:<22} {found:6.1f} M/s   applies to {applies:.0%}")


if __name__ == "__main__":
    for one, function in FUNCTIONS.items():
        found = compare(one, function)
        print(
            f"{one:<18} {found['combinations']:>9,} combinations  {found['per_second'] / 1e6:6.1f} M/s  "
            f"by hand {found['by_hand_per_second'] / 1e6:6.1f} M/s  ratio {found['ratio']:.2f}"
        )
    print()
    of_every_operator()
