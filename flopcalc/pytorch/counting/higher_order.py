"""Counting operators that take functions: branches, loops, scans, attention with a function of the scores."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from flopcalc.pytorch.counting.recorder import Recorder

ONE_TURN = "while_loop: counted for one turn of the loop"
EXPENSIVE = "cond: counted for the more expensive branch"
DENSE = "flex_attention: counted without its block mask"


def run_higher_order(mode: Any, func: Any, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
    """Run an operator that takes functions below a counting mode, which has been taken off before."""
    rule = _RULES.get(func.name())
    if rule is not None:
        return rule(mode, *args, **kwargs)
    eager = func.py_kernels.get(torch._C.DispatchKey.CompositeExplicitAutograd)
    if eager is not None:
        with mode:
            return eager(*args, **kwargs)
    mode.recorder.unknown(f"higher_order.{func.name()}")
    return func(*args, **kwargs)


def _cond(mode: Any, condition: Any, true_fn: Any, false_fn: Any, operands: Sequence[Any] = ()) -> Any:
    recorder = mode.recorder
    before = recorder.saved()
    with mode:
        one = true_fn(*operands)
    first, unknown = recorder.saved(), recorder.result.uncounted
    recorder.restore(before)
    with mode:
        other = false_fn(*operands)
    # What is unknown of either branch may be more than what is known.
    both = unknown | recorder.result.uncounted
    out = other
    if _price(first) > _price(recorder):
        recorder.restore(first)
        out = one
    recorder.result.uncounted = both
    recorder.note(EXPENSIVE)
    return out


def _price(recorder: Recorder) -> tuple[int, int, int]:
    works = recorder.works()
    return (
        sum(work.macs for work in works),
        sum(work.adds + work.muls + work.other for work in works),
        sum(work.traffic for work in works),
    )


def _while_loop(mode: Any, condition: Any, body: Any, carried: Sequence[Any], more: Sequence[Any] = ()) -> Any:
    mode.recorder.note(ONE_TURN)
    with mode:
        condition(*carried, *more)
        return body(*carried, *more)


def _scan(mode: Any, combine: Any, init: Sequence[Any], xs: Sequence[Tensor], additional_inputs: Any = ()) -> Any:
    carry, rows = list(init), []
    with mode:
        for step in range(xs[0].shape[0]):
            out = list(combine(*carry, *(x.select(0, step) for x in xs), *additional_inputs))
            carry, row = out[: len(init)], out[len(init) :]
            rows.append(row)
        return [*carry, *(torch.stack(column) for column in zip(*rows, strict=True))]


def _map(mode: Any, function: Any, xs: Sequence[Tensor], additional: Sequence[Any] = ()) -> Any:
    with mode:
        rows = [function(*(x.select(0, step) for x in xs), *additional) for step in range(xs[0].shape[0])]
        return tuple(torch.stack(column) for column in zip(*rows, strict=True))


def _associative_scan(mode: Any, combine: Any, xs: Sequence[Tensor], additional_inputs: Any = ()) -> Any:
    from torch._higher_order_ops.associative_scan import generic_associative_scan

    with mode:
        return generic_associative_scan(  # type: ignore[no-untyped-call]
            combine, xs, additional_inputs=additional_inputs
        )


def _flex_attention(
    mode: Any, query: Tensor, key: Tensor, value: Tensor, score_mod: Any, block_mask: Sequence[Any], *rest: Any
) -> Any:
    from torch._higher_order_ops.flex_attention import sdpa_dense

    *_, rows, columns, _mask = block_mask
    if rows < query.shape[-2] or columns < key.shape[-2]:
        mode.recorder.note(DENSE)
    with mode:
        return sdpa_dense(query, key, value, score_mod, tuple(block_mask), *rest)


_RULES: dict[str, Callable[..., Any]] = {
    "cond": _cond,
    "while_loop": _while_loop,
    "scan": _scan,
    "map_impl": _map,
    "associative_scan": _associative_scan,
    "flex_attention": _flex_attention,
}
