"""Sweeps never wrap: near the end of 64 bits, and beyond, every cost is the exact int."""

from itertools import product
from typing import Any

import pytest

from flopcalc import layer, sweep
from flopcalc.cost.kinds import KINDS

np: Any = pytest.importorskip("numpy")

from flopcalc.analysis.sweeping.grid import Axis, Grid
from flopcalc.analysis.sweeping.node import Book, Node, select
from flopcalc.analysis.sweeping.program import LARGEST, Program

OPERATORS = ("conv", "ghost", "spconv", "compconv", "attention", "fft_conv", "mbconv", "octconv")


@pytest.mark.parametrize("name", OPERATORS)
def test_costs_around_the_end_of_64_bits(name: str) -> None:
    """Channels from 2^8 to 2^100: most costs of the last ones have hundreds of bits."""
    channels = [2**bits for bits in (8, 20, 24, 26, 28, 30, 31, 40, 62, 63, 64, 100)]
    found = sweep(name, c_in=channels, hw=[8, 2**10, 2**20])
    assert len(found) == len(channels) * 3
    for row in found:
        alone = layer(name, row["c_in"], hw=row["h"])
        want = {kind: alone.total(kind) for kind in KINDS} | {"traffic": 4 * alone.traffic}
        assert {kind: row[kind] for kind in KINDS} == want
        assert all(type(row[kind]) is int for kind in KINDS)


def test_the_last_number_that_fits_and_the_first_that_does_not() -> None:
    """2^63 - 1 is computed on 64 bits, 2^63 on exact ints, and an intermediate value beyond 64 bits too."""
    book = Book()
    x = book.axis(0, 1, 2**32)
    program = Program({"sum": x * (2**31) - 1 + x * 0, "back": x * (2**40) // (2**40)})
    values = np.array([2**32, 1, 3, 2**32 - 1], dtype=np.int64)
    found = program.run([values], [None])
    assert found["sum"].tolist() == [int(one) * 2**31 - 1 for one in values.tolist()]
    assert found["back"].tolist() == values.tolist()
    # The multiplication by 2^40 does not fit, although its result after the division would.
    assert not program.fits
    assert found["back"].dtype == object


def test_a_block_that_fits_stays_on_64_bits_where_the_sweep_does_not() -> None:
    """The bounds of a block decide, not those of the sweep."""
    book = Book()
    x = book.axis(0, 1, 2**40)
    program = Program({"square": x * x})
    small = program.run([np.arange(1, 100, dtype=np.int64)], [0])["square"]
    large = program.run([np.array([2**40], dtype=np.int64)], [1])["square"]
    assert small.dtype == np.int64
    assert small[-1] == 99**2
    assert large.tolist() == [2**80]


def test_constants_that_a_flag_selects_do_not_wrap() -> None:
    """They do not come from an axis, and are exact all the same."""
    book = Book()
    x = book.axis(0, 0, 1)
    chosen = select(x == 0, 2**40, 2**41)
    found = Program({"x": chosen * chosen}).run([np.array([0, 1], dtype=np.int64)], [None])["x"]
    assert found.tolist() == [2**80, 2**82]


def test_axes_without_end() -> None:
    """The first combinations of 10^21 channels, with an axis that is shorter; and the last ones, beyond 64 bits."""
    found = sweep("conv", c_in="1:1000000000000000000000:1", k=[3, 5], limit=4, columns="c_in,k,macs")
    assert found.to_rows() == [[c, k, layer("conv", c, k=k).macs] for c in (1, 2) for k in (3, 5)]
    last = 10**21
    found = sweep("conv", c_in=f"{last - 1}:{last}:1", k=[3, 5], columns="c_in,k,macs")
    assert found.to_rows() == [[c, k, layer("conv", c, k=k).macs] for c in (last - 1, last) for k in (3, 5)]


def test_random_operations_against_ints() -> None:
    """Thousands of random expressions: the program has, at each combination, what Python has on ints."""
    rng = np.random.default_rng(0)
    checked = exact = 0
    for _ in range(400):
        book = Book()
        ends = [_ends(rng) for _ in range(3)]
        axes = [sorted({low, high, (low + high) // 2, min(max(0, low), high)}) for low, high in ends]
        symbols = [book.axis(index, values[0], values[-1]) for index, values in enumerate(axes)]
        steps = _random_steps(rng)
        result = _run(steps, symbols)
        if not isinstance(result, Node):
            continue
        grid = Grid([Axis(str(index), tuple(values)) for index, values in enumerate(axes)])
        block = grid.block(0)
        array = Program({"x": result}).run(block.axes, block.keys)["x"]
        exact += array.dtype == object
        found = np.broadcast_to(array, block.shape).reshape(-1).tolist()
        for one, value in zip(product(*axes), found, strict=True):
            want = _run(steps, list(one))
            assert int(value) == want, (steps, one)
            assert result.low <= want <= result.high, (steps, one)
            checked += 1
    assert checked > 4000
    assert 20 < exact < 380


def _ends(rng: Any) -> list[int]:
    far, near = (2 ** int(rng.integers(1, 40)) for _ in range(2))
    return sorted(int(one) for one in rng.integers(-near, far, 2))


def _random_steps(rng: Any) -> list[tuple[str, int, int]]:
    operations = ("+", "-", "*", "//", "%", "max", "select", "neg", "square")
    return [(str(rng.choice(operations)), int(rng.integers(0, 99)), int(rng.integers(0, 99))) for _ in range(6)]


def _run(steps: list[tuple[str, int, int]], values: list[Any]) -> Any:
    """The steps on nodes or ints. A divisor of 0 is 1, as the nodes have it."""
    values = [*values, 7, -3]
    for op, i, j in steps:
        a, b = values[i % len(values)], values[j % len(values)]
        if op == "+":
            found = a + b
        elif op == "-":
            found = a - b
        elif op == "*":
            found = a * b
        elif op in ("//", "%"):
            if not isinstance(b, Node):
                b = b or 1
            found = a // b if op == "//" else a % b
        elif op == "max":
            found = a.larger(b) if isinstance(a, Node) else b.larger(a) if isinstance(b, Node) else max(a, b)
        elif op == "neg":
            found = -a
        elif op == "square":
            found = a**2
        else:
            found = select(a < b, a, b * 2)
        values.append(found)
    return values[-1]


@pytest.mark.parametrize("value", [1, 2, 3, 2**31 - 1, 2**31, 2**53 - 1, 2**53, 2**53 + 1, 2**62 - 1, 2**62, 2**63 - 1])
def test_log2_of_an_array_is_exact(value: int) -> None:
    """Just below a power of two a float would round up."""
    book = Book()
    found = Program({"log": book.axis(0, 1, LARGEST).log2_floor()}).run([np.array([value], dtype=np.int64)], [None])
    assert found["log"].tolist() == [value.bit_length() - 1]


def test_no_warning_and_no_wrap_with_processes() -> None:
    """The same numbers from other processes; huge ints travel."""
    from flopcalc.analysis.sweep import collected, started
    from flopcalc.analysis.sweeping.asked import ask

    def run(jobs: int) -> Any:
        sweeping = ask(["conv"], sizes={"c_in": [2**20, 2**40], "hw": "2:8:2"}, settings={})
        return collected(sweeping, *started(sweeping, jobs)).to_dict()

    assert run(1) == run(2)
