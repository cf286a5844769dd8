"""In which memory format a convolution on the meta device writes its output: as torch's kernels do on the CPU."""

from collections.abc import Callable, Iterator
from itertools import product
from random import Random
from typing import Any

import pytest

torch: Any = pytest.importorskip("torch")

from flopcalc.cost.convention import CONVENTIONS
from flopcalc.networks.counted import counted
from flopcalc.pytorch import counted_network
from flopcalc.pytorch.counting.counter import count_call
from flopcalc.pytorch.counting.dispatch import DispatchCounter
from flopcalc.pytorch.tracing.products import RULES

nn, F = torch.nn, torch.nn.functional
aten = torch.ops.aten
FORMATS = {2: torch.channels_last, 3: torch.channels_last_3d}
FORMS = ("plain", "last", "tokens", "swapped", "sliced", "few channels", "expanded", "any stride")


def _as(form: str, shape: tuple[int, ...], dtype: Any) -> Any:
    n, c, *space = shape
    if form == "last" and len(space) in FORMATS:
        return torch.zeros(shape, dtype=dtype).contiguous(memory_format=FORMATS[len(space)])
    if form == "last":
        return torch.zeros(n, *space, c, dtype=dtype).movedim(-1, 1)
    if form == "any stride":
        # Contiguous: of an axis of one element the stride does not matter.
        made = torch.zeros(shape, dtype=dtype)
        return made.as_strided(shape, [s if extent > 1 else 1 for s, extent in zip(made.stride(), shape, strict=True)])
    if form == "tokens":
        return torch.zeros(n, torch.Size(space).numel(), c, dtype=dtype).transpose(1, 2).view(shape)
    if form == "swapped":
        return torch.zeros(*shape[:-2], shape[-1], shape[-2], dtype=dtype).transpose(-1, -2)
    if form == "sliced":
        return torch.zeros(*shape[:-1], 2 * shape[-1], dtype=dtype)[..., ::2]
    if form == "few channels":
        return torch.zeros(n, *space, 2 * c, dtype=dtype).movedim(-1, 1)[:, :c]
    if form == "expanded":
        return torch.zeros(1, *shape[1:], dtype=dtype).expand(shape)
    return torch.zeros(shape, dtype=dtype)


# Kernel, groups (0: one for each channel), output channels, transposed, stride, padding, dilation.
KINDS = {
    "plain": (3, 1, 6, False, 1, 1, 1),
    "pointwise": (1, 1, 6, False, 1, 0, 1),
    "one output": (1, 1, 1, False, 1, 0, 1),
    "grouped": (3, 2, 6, False, 1, 1, 1),
    "depthwise": (3, 0, 0, False, 1, 1, 1),
    "dilated": (3, 1, 6, False, 1, 2, 2),
    "strided": (3, 1, 6, False, 2, 1, 1),
    "transposed": (3, 1, 6, True, 2, 1, 1),
    "transposed, grouped": (3, 2, 6, True, 1, 1, 1),
    "transposed, depthwise": (3, 0, 0, True, 1, 1, 1),
    "transposed, dilated": (3, 1, 6, True, 1, 1, 2),
}


def _calls(axes: int, dtype: Any, kind: str) -> Iterator[tuple[Any, ...]]:
    kernel, groups, out, transposed, stride, padding, dilation = KINDS[kind]
    space = (3, 4, 5)[-axes:]
    for n, c, extents, form, last in product((1, 2), (1, 4), (space, (1,) * axes), FORMS, (False, True)):
        if last and form not in FORMS[:3]:
            continue
        g = min(groups or c, c)
        ends = (c, (out or c) // g) if transposed else (out or c, c // g)
        weight = torch.zeros(*ends, *(kernel,) * axes, dtype=dtype)
        if last:
            weight = _as("last", tuple(weight.shape), dtype)
        numbers = ([stride] * axes, [padding] * axes, [dilation] * axes, transposed, [0] * axes, g)
        yield _as(form, (n, c, *extents), dtype), weight, None, *numbers


def _meta(one: Any) -> Any:
    if not isinstance(one, torch.Tensor):
        return one
    return torch.empty_strided(one.shape, one.stride(), dtype=one.dtype, device="meta")


def _facts(tensor: Any) -> Any:
    """Shape and strides; those of axes of size one mean nothing."""
    return [(extent, stride if extent > 1 else None) for extent, stride in zip(tensor.shape, tensor.stride())]  # noqa: B905


@pytest.fixture(autouse=True)
def _several_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def _compare(args: tuple[Any, ...]) -> None:
    given = tuple(map(_meta, args))
    try:
        with torch.no_grad():
            right = aten.convolution.default(*args)
    except RuntimeError:
        # The kernel is larger than the input, or the channels do not fit; the meta device may not see that.
        assert RULES["aten::convolution"](*given) is None
        return
    asked = [(one.shape, one.stride()) for one in args[:2]], args[3:]
    found = RULES["aten::convolution"](*given)
    assert found is None or _facts(found) == _facts(right), asked
    assert found is not None or not right.numel() or not args[0].numel(), asked
    with torch.no_grad(), DispatchCounter(None):
        assert _facts(aten.convolution.default(*given)) == _facts(right), asked


libraries = pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason="torch without oneDNN")


@libraries
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["float32", "float64"])
@pytest.mark.parametrize("axes", [1, 2, 3])
def test_as_on_the_cpu(axes: int, dtype: Any, kind: str) -> None:
    """One, two and three axes, also with one channel and one position, whose strides leave the format open."""
    for args in _calls(axes, dtype, kind):
        _compare(args)


@pytest.mark.parametrize("groups", [1, 2, 3])
@pytest.mark.parametrize("transposed", [False, True])
def test_channels_that_do_not_fit(transposed: bool, groups: int) -> None:
    """Those of the input, of the weight and of the bias: all that the CPU refuses is left to torch."""
    for c, rows, columns, bias in product((0, 2, 3, 6), (0, 2, 6), (0, 1, 2, 3), (None, 2)):
        given = None if bias is None else torch.zeros(bias)
        numbers = ([1, 1], [1, 1], [1, 1], transposed, [0, 0], groups)
        _compare((torch.zeros(1, c, 4, 5), torch.zeros(rows, columns, 3, 3), given, *numbers))


@libraries
@pytest.mark.parametrize("channels", [5, 6])
def test_large_volumes(channels: int) -> None:
    """From 20480 elements without the last axis on, torch leaves one volume to oneDNN: 5 x 64 x 64 is just too few."""
    x = _as("last", (1, channels, 64, 64, 2), torch.float32)
    weight = torch.zeros(2, channels, 3, 3, 3)
    args = (x, weight, None, [1] * 3, [1] * 3, [1] * 3, False, [0] * 3, 1)
    _compare(args)
    found = RULES["aten::convolution"](*map(_meta, args))
    assert found.is_contiguous() is (channels == 5)


class Column(torch.nn.Module):  # type: ignore[misc]
    """Tokens as a map of one column, a function of each element, a convolution, and a linear layer on tokens."""

    def __init__(self, function: Callable[[Any], Any]) -> None:
        super().__init__()
        self.function, self.conv, self.last = function, nn.Conv2d(8, 8, 1), nn.Linear(8, 4)

    def forward(self, x: Any) -> Any:
        y = self.function(x.transpose(1, 2).unsqueeze(-1))
        return self.last(self.conv(y).flatten(2).transpose(1, 2))


# Whether the map is one with its channels innermost after it: as long as all operands are in one format.
OF_ELEMENTS: dict[str, tuple[Callable[[Any], Any], bool]] = {
    "none": (lambda y: y, False),
    "relu": (torch.relu, True),
    "gelu": (nn.functional.gelu, True),
    "sigmoid": (lambda y: y.sigmoid() * y, True),
    "clamp": (lambda y: y.clamp(0, 1), True),
    "sum": (lambda y: y + y, True),
    "quotient": (lambda y: y / y, True),
    "where": (lambda y: torch.where(y > 0, y, y), True),
    "addcmul": (lambda y: torch.addcmul(y, y, y), True),
    "sum with another format": (lambda y: y + y.contiguous(), False),
    "sum with a bias": (lambda y: y + torch.zeros(8, 1, 1, device=y.device), False),
    "clone": (torch.clone, False),
    "a column of rows": (lambda y: y.contiguous().relu(), False),
}


@libraries
@pytest.mark.parametrize("name", OF_ELEMENTS)
def test_strides_of_one_element(name: str) -> None:
    """The map's last axis has one element. Torch gives it the stride of a map whose channels are innermost."""
    function, innermost = OF_ELEMENTS[name]
    ways: tuple[tuple[Any, Any], ...] = (("meta", "trace"), ("meta", "dispatch"), ("cpu", "dispatch"))
    counts = [count_call(Column(function), [torch.zeros(2, 5, 8)], {}, on=on, witness=witness) for on, witness in ways]
    assert all((one.by_work, one.steps) == (counts[0].by_work, counts[0].steps) for one in counts)
    # Of a contiguous map the tokens are copied for the linear layer, or its bias is added by a kernel of its own.
    kinds = {kind for layer, kind in counts[0].by_work if layer == "last"}
    assert (kinds == {"linear"}) is innermost, kinds


@pytest.mark.parametrize("function", [lambda y: y * 2, lambda y: 1 - y, lambda y: y / 3, lambda y: y > 0], ids=range(4))
def test_a_number_leaves_the_strides(function: Callable[[Any], Any]) -> None:
    """A number is a tensor without axes for torch, so that it looks for no format; here an axis of one channel."""
    found: Any = []

    class Of(torch.nn.Module):  # type: ignore[misc]
        def forward(self, x: Any) -> Any:
            found.append(function(x.movedim(-1, 1)).stride())
            return x

    ways: tuple[tuple[Any, Any], ...] = (("cpu", "dispatch"), ("meta", "trace"))
    for on, witness in ways:
        count_call(Of(), [torch.zeros(2, 3, 4, 1)], {}, on=on, witness=witness)
    assert found[0] == found[1] == (12, 1, 4, 1)


ELEMENTS: tuple[Callable[[Any], Any], ...] = (
    torch.relu,
    torch.exp,
    lambda x: x * 2,
    lambda x: x**2,
    lambda x: x + x,
    lambda x: x + torch.empty_like(x),
    lambda x: x + x.contiguous(),
    lambda x: x > 0,
    lambda x: x > x.to(torch.float64),
    lambda x: x[:1].expand(x.shape) > x,
    lambda x: x[:1].to(torch.float64).expand(x.shape) + x,
    lambda x: torch.where(x > 0, x, x),
    lambda x: x.clamp(0, 1),
    F.hardtanh,
)


@pytest.mark.parametrize("rank", [2, 3, 4, 5])
def test_any_strides_of_axes_of_one_element(rank: int) -> None:
    """Axes in any order, those of one element with any stride: all strides of the results as on the CPU."""
    random = Random(rank)  # noqa: S311 (not for secrets)
    results: dict[str, Any] = {"cpu": [], "meta": []}
    tensors = []
    for _ in range(40):
        shape = [random.choice((1, 1, 2, 3)) for _ in range(rank)]
        order = random.sample(range(rank), rank)
        x = torch.zeros([shape[axis] for axis in order]).permute(sorted(range(rank), key=order.__getitem__))
        tensors.append(
            x.as_strided(
                shape, [random.randint(1, 30) if n == 1 else s for n, s in zip(shape, x.stride(), strict=True)]
            )
        )

    class Of(torch.nn.Module):  # type: ignore[misc]
        def forward(self, *given: Any) -> Any:
            found = results[given[0].device.type]
            for x in given:
                strided = [(tuple(y.shape), y.stride()) for y in (function(x) for function in ELEMENTS)]
                found.append((x.shape, x.stride(), strided))
            return given[0]

    ways: tuple[tuple[Any, Any], ...] = (("cpu", "dispatch"), ("meta", "trace"))
    for on, witness in ways:
        count_call(Of(), tensors, {}, on=on, witness=witness)
    assert results["cpu"] == results["meta"]


class MixFFN(torch.nn.Module):  # type: ignore[misc]
    """The feed-forward network of SegFormer: a depthwise convolution among tokens."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(8, 16), nn.Linear(16, 8)
        self.conv = nn.Conv2d(16, 16, 3, padding=1, groups=16)

    def forward(self, x: Any) -> Any:
        tokens = self.first(x).transpose(1, 2).view(-1, 16, 4, 5)
        return self.last(self.conv(tokens).flatten(2).transpose(1, 2))


@pytest.mark.parametrize("witness", ["trace", "dispatch"])
def test_layers_after_it(witness: Any) -> None:
    """The linear layer after it reads contiguous tokens: one kernel with its bias, no product and sum of their own."""
    found = count_call(MixFFN(), [torch.empty(2, 20, 8, device="meta")], {}, on="meta", witness=witness)
    work = {key: one for key, one in found.by_work.items() if key[0] == "last"}
    assert list(work) == [("last", "linear")]
    one = work["last", "linear"]
    # 2 x 20 rows times an 8 x 16 weight, and one sum with the bias for each output.
    assert (one.macs, one.adds, one.reads, one.writes) == (40 * 8 * 16, 40 * 8, 40 * 16 + 8 * 16 + 8, 40 * 8)
    on_cpu = count_call(MixFFN(), [torch.zeros(2, 20, 8)], {}, on="cpu", witness="dispatch")
    assert (found.by_work, found.steps) == (on_cpu.by_work, on_cpu.steps)


def test_kernels_that_a_counter_sees() -> None:
    """The back end aten of ptflops adds the bias where it is part of the kernel, as for all three layers here."""
    network = counted_network(MixFFN(), (20, 8), batch=2)
    rows = 2 * 20
    expected = rows * (8 * 16 + 16) + rows * (9 * 16 + 16) + rows * (16 * 8 + 8)
    assert counted(network, CONVENTIONS["ptflops-aten"]).total == expected
