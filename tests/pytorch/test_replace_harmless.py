"""Replacement reads the user's module only: it is copies that are observed, changed and run, whatever the module is."""

import threading
from typing import Any

import pytest

torch: Any = pytest.importorskip("torch")

from torch import fx, nn

from flopcalc import FlopcalcError
from flopcalc.pytorch import count, replace
from flopcalc.pytorch.layers import SPConv2d

SHAPE = (2, 16, 9, 8)


def conv() -> Any:
    """A 3x3 convolution that SPConv can replace."""
    return nn.Conv2d(16, 16, 3, padding=1)


def inside(value: Any, seen: dict[int, Any]) -> Any:
    """What a value holds, all the way down: identities and versions of tensors, items of containers, attributes."""
    if id(value) in seen:
        return id(value)
    seen[id(value)] = value
    if isinstance(value, torch.Tensor):
        return id(value), value._version, value.device, value.requires_grad
    if isinstance(value, dict):
        return [(key, inside(item, seen)) for key, item in value.items()]
    if isinstance(value, list | tuple | set):
        return [inside(item, seen) for item in value]
    if isinstance(value, nn.Module):
        return type(value), inside(value.__dict__, seen)
    return value if isinstance(value, int | str | float | None) else id(value)


def process() -> Any:
    """What counting could change outside the module."""
    return (
        torch.get_rng_state().tolist(),
        torch.is_grad_enabled(),
        torch.is_inference_mode_enabled(),
        torch.get_default_dtype(),
        torch.get_default_device(),
        torch.backends.mha.get_fastpath_enabled(),
        nn.Conv2d.forward,
        nn.Module.__call__,
        len(nn.modules.module._global_forward_pre_hooks),
    )


class Busy(nn.Module):
    """A forward that fills a list, a dict and attributes, and registers hooks on its children."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = conv(), conv()
        self.calls: list[Any] = []
        self.cache: dict[str, Any] = {}
        self.last: Any = None

    def forward(self, x: Any) -> Any:
        self.b.register_forward_hook(lambda *_: None)
        self.calls.append(x.shape)
        self.cache["mean"] = x.mean()
        self.last = self.a(x)
        return self.b(self.last)


class Raises(Busy):
    """The same, and then it fails."""

    def forward(self, x: Any) -> Any:
        super().forward(x)
        raise ValueError("no")


class RaisesWithout(Busy):
    """It fails where its convolution is replaced."""

    def forward(self, x: Any) -> Any:
        super().forward(x)
        if not isinstance(self.a, nn.Conv2d):
            raise TypeError("a must be a Conv2d")
        return self.b(self.last)


@pytest.mark.parametrize("cls", [Busy, Raises, RaisesWithout])
@pytest.mark.parametrize("training", [True, False])
def test_the_model_given_is_only_read(cls: Any, training: bool) -> None:
    """Whatever its forward does, and however the run ends."""
    model = nn.Sequential(conv(), cls()).train(training)
    before, outside = inside(model, {}), process()
    for _ in range(2):
        if cls is Busy:
            assert set(replace(model, "spconv", inputs=SHAPE).replaced) == {"0", "1.a", "1.b"}
        else:
            with pytest.raises(FlopcalcError):
                replace(model, "spconv", inputs=SHAPE)
        replace(model, "spconv")
    assert inside(model, {}) == before
    assert process() == outside


def test_in_place_only_the_slots_change() -> None:
    """All else is the same object as before, and no hook of the forward stays."""
    model: Any = nn.Sequential(conv(), Busy())
    replace(model, "spconv", inputs=SHAPE, inplace=True)
    assert [type(one) for one in (model[0], model[1].a, model[1].b)] == [SPConv2d] * 3
    busy = model[1]
    assert (busy.calls, busy.cache, busy.last) == ([], {}, None)
    parts = list(model.modules())
    assert not any(part._forward_hooks or part._forward_pre_hooks or "forward" in part.__dict__ for part in parts)


@pytest.mark.parametrize("cls", [Raises, RaisesWithout])
def test_in_place_all_is_put_back_where_the_forward_fails(cls: Any) -> None:
    """The very same objects, in the same order."""
    model = nn.Sequential(conv(), cls())
    before = inside(model, {})
    with pytest.raises(FlopcalcError):
        replace(model, "spconv", inputs=SHAPE, inplace=True)
    assert inside(model, {}) == before


def test_threads_replace_one_model_while_it_trains() -> None:
    """Every thread gets the same answer, and the model learns meanwhile."""
    model = nn.Sequential(conv(), nn.BatchNorm2d(16), Busy())
    model[2].forward = lambda x: x  # the busy part is not trained here
    wanted = list(replace(model, "spconv", inputs=SHAPE).replaced)
    assert wanted == ["0"]
    found: list[list[str]] = []
    errors: list[BaseException] = []

    def work() -> None:
        try:
            found.extend(list(replace(model, "spconv", inputs=SHAPE).replaced) for _ in range(3))
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    optimiser = torch.optim.SGD(model.parameters(), 0.01)
    while any(thread.is_alive() for thread in threads):
        optimiser.zero_grad()
        model(torch.randn(SHAPE)).square().mean().backward()
        optimiser.step()
        assert all(p.device.type == "cpu" for p in model.parameters())
    assert not errors
    assert found == [wanted] * 24


def test_a_forward_that_is_called_by_name_is_seen() -> None:
    """`self.a.forward(x)` runs the layer too, without its hooks."""

    class Direct(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a = conv()

        def forward(self, x: Any) -> Any:
            return self.a.forward(x)

    assert replace(Direct(), "spconv", inputs=SHAPE).replaced == {"a": "spconv"}


def test_new_weights_follow_from_the_seed() -> None:
    """Equal seeds give equal weights, others others; the two layers of one replacement differ; no number is drawn."""
    model = nn.Sequential(conv(), conv())

    def weights(seed: int, what: str) -> list[Any]:
        torch.manual_seed(seed)
        state = torch.get_rng_state()
        # Adder draws by a function that makes a tensor, SPConv by functions in place.
        module: Any = replace(model, what, inputs=SHAPE).module
        assert torch.equal(torch.get_rng_state(), state)
        return [next(part.parameters()) for part in module]

    for what in ("spconv", "adder where k == 3"):
        one, again, other = weights(1, what), weights(1, what), weights(2, what)
        assert all(torch.equal(x, y) for x, y in zip(one, again, strict=True))
        assert not any(torch.equal(x, y) for x, y in zip(one, other, strict=True))
        assert not torch.equal(*one)


def test_the_count_of_the_result_is_that_of_its_parts() -> None:
    """A count of the changed model sees the new layer: SPConv's parts, not the convolution's."""
    done = replace(nn.Sequential(conv()), "spconv", inputs=SHAPE)
    assert count(done.module, SHAPE).macs == count(SPConv2d(16, 16, 3, bias=True), SHAPE).macs


# Modules of all kinds ---------------------------------------------------------------------------


class ReadsValues(nn.Module):
    """A branch and an output that depend on values, as in detectors."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.c = conv(), conv(), conv()

    def forward(self, x: Any) -> Any:
        x = self.a(x)
        if x.isfinite().all().item():
            x = self.b(x)
        x = self.c(x) * self.c.weight.mean().item()
        return x[x > 0]


@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_forwards_that_read_values(device: str) -> None:
    """The second pass, on real values, is observed as the first is; the output may have another number of items."""
    with torch.device(device):
        model = ReadsValues()
    done: Any = replace(model, "spconv", inputs=(1, 16, 8, 8))
    assert done.replaced == {"a": "spconv", "b": "spconv"}
    assert done.skipped == {"c": "the forward of ReadsValues reads its weight"}
    assert {p.device.type for p in done.module.parameters()} == {device}


def test_another_shape_of_a_layer_is_an_error_on_values_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """The output's size says nothing there, so the new layers' outputs are compared."""
    plain = SPConv2d.forward
    monkeypatch.setattr(SPConv2d, "forward", lambda self, x: plain(self, x)[..., 1:])
    with pytest.raises(FlopcalcError, match=r"the output of a is \(1, 16, 8, 7\), not \(1, 16, 8, 8\)") as caught:
        replace(ReadsValues(), "spconv", inputs=(1, 16, 8, 8))
    assert caught.value.code == "cannot-replace"


STAY: dict[str, tuple[Any, dict[str, str]]] = {
    "scripted": (lambda: torch.jit.script(conv()), {"0": "it is scripted: its code is fixed"}),
    "traced": (
        lambda: torch.jit.trace(nn.Sequential(conv(), nn.ReLU()), torch.zeros(SHAPE)),
        {"0.0": "it is scripted: its code is fixed"},
    ),
    "scripted, without a convolution": (lambda: torch.jit.script(nn.ReLU()), {}),
    "compiled": (
        lambda: torch.compile(conv()),
        {"0._orig_mod": "torch.compile keeps it, wherever it is replaced; compile the model afterwards"},
    ),
    "lazy": (lambda: nn.LazyConv2d(16, 3, padding=1), {"0": "it is lazy: its shape is not known before a first run"}),
}


@pytest.mark.parametrize("what", STAY)
def test_next_to_parts_that_stay(what: str) -> None:
    """A plain convolution next to them is replaced, and the result is run to see that it is called."""
    make, skipped = STAY[what]
    done: Any = replace(nn.Sequential(make(), conv()), "spconv", inputs=SHAPE, inplace=True)
    assert (done.replaced, done.skipped) == ({"1": "spconv"}, skipped)


@pytest.mark.parametrize("wrap", [fx.symbolic_trace, nn.DataParallel, torch.compile])
def test_inside_wrappers(wrap: Any) -> None:
    """Modules that call what they hold have their convolutions replaced, and really call the new ones."""
    model = nn.Sequential(nn.Sequential(conv(), nn.ReLU()), conv())
    done: Any = replace(wrap(model), "spconv", inputs=SHAPE)
    assert len(done.replaced) == 2
    inner = done.module
    for name in ("module", "_orig_mod"):
        inner = getattr(inner, name, inner)
    called: list[int] = []
    inner.get_submodule("0.0").register_forward_hook(lambda *_: called.append(1))
    inner(torch.zeros(SHAPE))
    assert called
