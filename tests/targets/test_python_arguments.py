"""Wrong arguments of the functions of the package: each is an error that says what to give, and none is ignored."""

from collections.abc import Callable
from typing import Any

import pytest

import flopcalc as typed
from flopcalc import FlopcalcError

# Wrong types are the point here.
flopcalc: Any = typed
NETWORK, LAYER = flopcalc.network("resnet18"), flopcalc.layer("ghost", 64)
CALLS: dict[str, Callable[..., Any]] = {
    "layer": lambda **more: flopcalc.layer("ghost", 64, **more),
    "sweep": lambda **more: flopcalc.sweep("ghost", **more),
    "roofline": lambda **more: flopcalc.roofline("ghost", device="h100", c_in=64, **more),
    "solve": lambda **more: flopcalc.solve("ghost", "s", "macs <= 1G", c_in=64, **more),
    "bench": lambda **more: flopcalc.bench("ghost", c_in=8, **more),
}


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("in_channels", "c_in (--cin"),
        ("out_channels", "c_out (--cout"),
        ("kernel_size", "k (-k"),
        ("kernal_size", "k (-k"),
        ("strides", "stride (--stride"),
        ("group", "groups (--groups"),
        ("height", "hw (--hw"),
        ("batch_size", "batch (--batch"),
        ("C_out", "c_out (--cout"),
    ],
)
@pytest.mark.parametrize("call", CALLS)
def test_other_names_of_sizes(call: str, given: str, meant: str) -> None:
    with pytest.raises(FlopcalcError, match="unknown option") as caught:
        CALLS[call](**{given: 3})
    assert f"did you mean {meant} on the command line)" in caught.value.hint


@pytest.mark.parametrize("call", ["layer", "sweep"])
@pytest.mark.parametrize("name", ["cin", "cout"])
def test_names_of_the_command_line(call: str, name: str) -> None:
    with pytest.raises(FlopcalcError, match=f"did you mean c_{name[1:]} "):
        CALLS[call](**{name: 3})


def test_names_of_the_input_of_a_network() -> None:
    for name in ("image_size", "input_size", "size"):
        with pytest.raises(FlopcalcError, match="did you mean input "):
            flopcalc.network("resnet18", **{name: 128})
    # `width` is a multiplier of many networks.
    with pytest.raises(FlopcalcError) as caught:
        flopcalc.network("resnet18", width=0.5)
    assert "did you mean" not in caught.value.hint


@pytest.mark.parametrize("what", [NETWORK, LAYER], ids=["network", "layer"])
@pytest.mark.parametrize("more", [{"batch": 32}, {"input": "3x64x64"}, {"replace": "spconv"}, {"method": "encode"}])
def test_a_result_has_its_shape_already(what: Any, more: dict[str, Any]) -> None:
    """A batch that was ignored gave the time of batch 1."""
    with pytest.raises(FlopcalcError, match=f"{next(iter(more))} has no effect on <"):
        flopcalc.roofline(what, device="h100", **more)
    with pytest.raises(FlopcalcError, match=f"{next(iter(more))} has no effect on <"):
        flopcalc.training(what, **more)
    with pytest.raises(FlopcalcError, match="bias has no effect"):
        flopcalc.roofline(what, device="h100", bias=True)
    with pytest.raises(FlopcalcError, match="set has no effect"):
        flopcalc.training(what, set={"bias": True})


@pytest.mark.parametrize("what", [NETWORK, LAYER, None, 3, [1]], ids=["network", "layer", "none", "number", "list"])
def test_what_is_no_target(what: Any) -> None:
    for call in (flopcalc.memory, flopcalc.formula, lambda it: flopcalc.solve(it, "batch", "macs <= 1G")):
        with pytest.raises(FlopcalcError, match=r"has its sizes already|not a name, a path or a PyTorch model"):
            call(what)


@pytest.mark.parametrize(
    "more",
    [
        *({"input": "3x7x7"}, {"replace": "spconv"}, {"where": "k == 3"}, {"keep": ["a"]}),
        *({"arg": {"a": 1}}, {"method": "encode"}),
    ],
)
def test_arguments_of_networks_with_an_operator(more: dict[str, Any]) -> None:
    name = next(iter(more))
    for call in (CALLS["roofline"], CALLS["solve"], CALLS["bench"]):
        with pytest.raises(FlopcalcError, match=f"{name} is for networks"):
            call(**more)
    with pytest.raises(FlopcalcError, match=f"{name} is for the formula of a network"):
        flopcalc.formula("ghost", **more)


@pytest.mark.parametrize("more", [{"vary": "c_in"}, {"assume": "c_in = 7"}, {"batch": 7}, {"mode": "training"}])
def test_symbols_of_an_operator(more: dict[str, Any]) -> None:
    with pytest.raises(FlopcalcError, match="has symbols for all its sizes"):
        flopcalc.formula("ghost", **more)


def test_the_channels_of_an_operator_are_asked_for() -> None:
    for call in (flopcalc.bench, lambda name: flopcalc.roofline(name, device="h100")):
        with pytest.raises(FlopcalcError, match="the input channels are missing"):
            call("conv")
    with pytest.raises(FlopcalcError, match="c_in is given twice"):
        flopcalc.roofline("conv", device="h100", cin=64, c_in=32)
    # And the height and width one by one, as on the command line.
    wide = flopcalc.roofline("conv", device="h100", c_in=64, h=7, w=14)
    assert wide.time == flopcalc.roofline("conv", device="h100", c_in=64, hw=(7, 14)).time


@pytest.mark.parametrize(
    ("call", "why"),
    [
        (lambda: flopcalc.solve("resnet18", "batch", "macs <= 9G", batch=3), "batch is given as 3, and searched for"),
        (lambda: flopcalc.solve("resnet18", "batch", "peak_memory <= 9G", batch=3), "batch is given as 3"),
        (lambda: flopcalc.solve("conv", "c_out", "macs <= 1G", c_in=64, k="x"), "k is 'x'"),
        (lambda: flopcalc.solve("conv", "c_out", "macs <= 1G", c_in=64, h=-1), "hw is -1"),
        (lambda: flopcalc.solve("conv", "c_out", "macs <= 1G", c_in=64, bias="maybe"), "option bias is 'maybe'"),
        (lambda: flopcalc.solve("resnet18", "batch", "macs <= 1G", batch="x"), "batch is 'x'"),
        (lambda: flopcalc.solve("resnet18", "batch", "macs <= 1G", timeout="soon"), "--timeout is 'soon'"),
        (lambda: flopcalc.solve("resnet18", "batch", "macs <= 1G", arg=3), "arg is 3"),
        (lambda: flopcalc.solve("resnet18", "batch", "macs <= 1G", keep="conv1"), "keep is given without replace"),
        (lambda: flopcalc.solve("resnet18", choose="ghost", minimise="macs", replace="spconv"), "replace does not go"),
        (lambda: flopcalc.memory("resnet18", set=3), "set is 3"),
        (lambda: flopcalc.formula("ghost", set=3), "set is 3"),
        (lambda: flopcalc.training("resnet18", freeze=3), "freeze is 3"),
        (lambda: flopcalc.sweep("conv", c_in=8, set=[1]), "set is"),
        (lambda: flopcalc.sweep("conv", c_in=8, sort=3), "sort is 3"),
        (lambda: flopcalc.sweep("conv", c_in=8, pareto=[3]), "pareto is"),
        (lambda: flopcalc.sweep("conv", c_in=8, scheduler=3), "scheduler is 3"),
        (lambda: flopcalc.sweep("conv", c_in=8, convention=None), "unknown convention None"),
        (lambda: flopcalc.sweep("resnet18", input=[]), "input is \\[\\]: it has no values"),
        (lambda: flopcalc.sweep("resnet18", input=range(0)), "it has no values"),
        (lambda: flopcalc.sweep("conv", c_in=8).column(3), "unknown column 3"),
        (lambda: flopcalc.sweep("conv", c_in=8).first("x"), "the number of rows is 'x'"),
        (lambda: flopcalc.sweep("conv", c_in=8).first(-1), "the number of rows is -1"),
        (lambda: flopcalc.sweep("conv", c_in=8, convention=["macs"]), "unknown convention \\['macs'\\]"),
        (lambda: flopcalc.sweep("conv", c_in=[[8]]), "--cin is \\[\\[8\\]\\]: cannot read the value \\[8\\]"),
        (lambda: flopcalc.sweep("conv", c_in={8: 16}), "cannot read the value {8: 16}"),
        (lambda: flopcalc.solve("resnet18", "batch", "macs <= 9G", method="x"), "--method 'x' does not apply"),
        (lambda: flopcalc.solve("resnet18", "batch", "macs <= 9G", arg={"x": 1}), "--arg 'x=1' does not apply"),
        (lambda: flopcalc.solve("resnet18", choose="ghost", minimise="macs", on="cpu"), "--on 'cpu' does not apply"),
        (lambda: flopcalc.solve("resnet18", choose="ghost", minimise=0), "minimise is 0"),
        (lambda: flopcalc.memory("resnet18", rules=0), "unknown rules"),
        (lambda: flopcalc.network("resnet18", input=[None]), "the input is \\[None\\]"),
        (lambda: flopcalc.training("resnet18", first="no"), "first is 'no', not True or False"),
        (lambda: flopcalc.progress("yes"), "progress is 'yes'"),
        (lambda: flopcalc.network("conv"), "conv is an operator"),
        (lambda: flopcalc.network("torchvision:resnet18"), "flopcalc.count counts a PyTorch model"),
        (lambda: flopcalc.layer("resnet50", 64), "resnet50 is a network"),
    ],
)  # fmt: skip
def test_wrong_values(call: Callable[[], Any], why: str) -> None:
    with pytest.raises(FlopcalcError, match=why) as caught:
        call()
    assert caught.value.hint


def test_memory_takes_the_input_as_others_do() -> None:
    found = flopcalc.memory("resnet18", input="3x64x64")
    assert found.to_dict() == flopcalc.memory("resnet18", (3, 64, 64)).to_dict()
    with pytest.raises(FlopcalcError, match="inputs and input are both given"):
        flopcalc.memory("resnet18", "3x64x64", input="3x64x64")


@pytest.mark.parametrize("given", ["no", 2, (), [True]])
def test_flags_are_true_or_false(given: Any) -> None:
    """Text such as "no" was taken for True."""
    with pytest.raises(FlopcalcError, match=r"fused is .*, not True or False"):
        flopcalc.roofline("resnet18", device="h100", fused=given)
    with pytest.raises(FlopcalcError, match=r"fused is .*, not True or False"):
        flopcalc.training("resnet18", fused=given)
    with pytest.raises(FlopcalcError, match=r"first is .*, not True or False"):
        flopcalc.training(LAYER, first=given)
    with pytest.raises(FlopcalcError, match=r"channels_last is .*, not True or False"):
        flopcalc.bench("conv", c_in=8, channels_last=given)
    with pytest.raises(FlopcalcError, match=r"inplace is .*, not True or False"):
        flopcalc.replace(pytest.importorskip("torch").nn.Conv2d(8, 8, 3), "ghost", inplace=given)


@pytest.mark.parametrize("name", ["mode", "dtype", "optimizer", "optimizer_dtype", "rules", "autocast", "order", "on"])
def test_an_array_is_no_word(name: str) -> None:
    """Its comparison with a word is an array: `The truth value of an array is ambiguous`."""
    given = pytest.importorskip("numpy").array([1, 2])
    with pytest.raises(FlopcalcError):
        flopcalc.memory("alexnet", **{name: given})


@pytest.mark.parametrize("name", ["execution", "fused", "mode", "on", "dtype", "freeze"])
def test_an_array_is_no_word_of_a_roofline(name: str) -> None:
    given = pytest.importorskip("numpy").array([1, 2])
    with pytest.raises(FlopcalcError):
        flopcalc.roofline("alexnet", device="h200", **{name: given})


@pytest.mark.parametrize("name", ["pick", "choose", "minimise", "maximise", "on"])
def test_an_array_is_no_word_of_a_search(name: str) -> None:
    given = pytest.importorskip("numpy").array([1, 2])
    with pytest.raises(FlopcalcError):
        flopcalc.solve("resnet18", "batch", "macs <= 9G", **{name: given})
    with pytest.raises(FlopcalcError):
        flopcalc.progress(given)
