"""The log of calls by itself, without torch."""

from collections.abc import Callable
from typing import Any

import pytest

from flopcalc.presets.call import Call, CallLog, Nested, Node, Sized, ToolFailsError, failing, first, run_within

X, Y = Sized((2, 3)), Sized((4,))


def _call(level: str, node: int, *args: object, out: object = Y, **named: object) -> Call:
    return Call(level, "torch.mul", node, (0,), args, named, out)  # type: ignore[arg-type]


def _node(name: str, *children: int) -> Node:
    return Node(name, "Linear", ("Linear",), children, {})


def test_arguments_and_results() -> None:
    """By position before those by name, and an error that says which tensor is missing."""
    call = _call("function", 0, X, 2, other=Y, out=(None, {"a": [1, Y], "b": X}))
    assert (call.sized(0), call.sized(2, "other"), call.argument(1, "other"), call.result) == (X, Y, 2, Y)
    assert (call.via, call.within, call.operator, call.positions) == ("", -1, "", None)
    for position, name in ((1, "other"), (2, "input")):
        with pytest.raises(ValueError, match=f"torch.mul was called without the tensor {name}"):
            call.sized(position, name)
    with pytest.raises(ValueError, match="returns no tensor"):
        _ = _call("function", 0, out=[1, None]).result
    assert first(3.0) is None
    assert first({}) is None


def test_the_whole_module() -> None:
    """Its last call, which is not the last call of the log."""
    whole = _call("module", 0, X)
    calls = (_call("module", 0, Y), whole, _call("module", 1), _call("function", 0))
    assert CallLog((_node("", 1), _node("a")), calls).outermost is whole
    assert CallLog((), calls[2:]).outermost is None


def test_nested_tensors() -> None:
    """Among the arguments, by name, and as the output, next to other tensors."""
    for call in (
        _call("function", 0, X, Nested(())),
        _call("function", 0, x=Nested(())),
        _call("module", 0, out=Nested(())),
    ):
        assert CallLog((), (_call("function", 0, X), call)).holds_nested()
    assert not CallLog((), (_call("function", 0, X),)).holds_nested()


def test_visits() -> None:
    """A module that two others hold is reached twice, and so is what it holds."""
    nodes = (_node("", 1, 2), _node("a", 3), _node("b", 3), _node("a.c", 4), _node("a.c.d"))
    assert CallLog(nodes, ()).visits == [1, 1, 1, 2, 2]


def test_forwards_that_run_later() -> None:
    """A log with a state runs its trace and its second forward in it, and those of the second one as well."""
    states: list[str] = []

    class State:
        def __enter__(self) -> None:
            states.append("in")

        def __exit__(self, *_: object) -> None:
            states.append("out")

    def ran(name: str, log: CallLog) -> CallLog:
        states.append(name)
        return log

    traced = CallLog((), (_call("function", 0)._replace(operator="aten::mul"), _call("function", 1)))
    second = CallLog((_node("x"),), (), lambda: ran("trace of the second", traced))
    log = CallLog((_node("x"),), (), lambda: ran("trace", traced), {}, lambda: ran("second", second), 1, "made")
    inside = log.within(State)
    assert (inside.nodes, inside.calls, inside.cut_off, inside.made) == (log.nodes, log.calls, 1, "made")
    assert [call.node for call in inside.operators] == [0]
    assert states == ["in", "trace", "out"]
    states.clear()
    again = inside.second
    assert states == ["in", "second", "out"]
    states.clear()
    list(again.operators)
    assert states == ["in", "trace of the second", "out"]
    # Without forwards there is nothing to run.
    alone = CallLog((), ()).within(State)
    assert (list(alone.operators), alone.second) == ([], alone)
    states.clear()
    assert run_within(State, lambda x: x + 1)(2) == 3
    assert states == ["in", "out"]


def test_a_second_forward_of_other_modules() -> None:
    """The first one has made one."""
    log = CallLog((_node(""),), (), again=lambda: CallLog((_node("", 1), _node("a")), ()))
    with pytest.raises(ToolFailsError, match="the first one changes the modules"):
        _ = log.second


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        (lambda: 1 // 0, "the rule fails: .*zero"),
        (lambda: X.shape[2], "the rule fails: "),
        (lambda: dict.fromkeys(["k"])["dim"], "the rule fails: 'dim'"),
        (lambda: int("x"), "the rule fails: "),
        (lambda: len(1), "the rule fails: "),  # type: ignore[arg-type]
        (lambda: None.shape, "the rule needs a tensor where there is none"),  # type: ignore[attr-defined]
    ],
)
def test_a_rule_that_fails(wrong: Callable[[], Any], text: str) -> None:
    """Whatever a rule of a counter may run into is the counter's failure, in its words."""
    with pytest.raises(ToolFailsError, match=text), failing("the rule"):
        wrong()


def test_other_errors_are_not_those_of_a_rule() -> None:
    """What a rule says itself stays, and so does a fault of another kind."""
    with pytest.raises(ToolFailsError, match=r"^a reason$"), failing("the rule"):
        raise ToolFailsError("a reason")
    with pytest.raises(MemoryError), failing("the rule"):
        raise MemoryError
