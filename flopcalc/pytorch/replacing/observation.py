"""A forward pass that is observed: which convolutions it calls, at which sizes, and what reads their weights."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn

from flopcalc.pytorch.counting.contents import modules_of
from flopcalc.pytorch.counting.counter import Count, count_call
from flopcalc.pytorch.replacing.candidates import Candidates, Convolution

# What a forward may read of a convolution, and what its replacement may not have, or may use in another meaning.
_READABLE = frozenset(
    {"weight", "bias", "in_channels", "out_channels", "kernel_size", "stride", "padding", "dilation", "groups"}
)


def observe(
    found: Candidates, args: Sequence[Any], named: Mapping[str, Any], options: Mapping[str, Any] | None = None
) -> Count:
    """Count one forward pass, and note for each convolution its turn, its input shapes, and any reader of its weight.

    It is the copy that is counted which is observed; the module itself is only read. options: of `count_call`. Raises
    FlopcalcError (uncountable-module) where the forward fails.
    """
    root, convolutions = found.root, found.convolutions
    names = {id(module): name for name, module in modules_of(root)}
    watcher = _Watcher({names[id(one.module)]: one for one in convolutions}, names)
    counted = count_call(root, args, named, **{**(options or {}), "watch": watcher.watch})
    turns = {name: turn for turn, name in enumerate(counted.times)}
    for one in convolutions:
        name = names[id(one.module)]
        one.turn = turns.get(name)
        one.shapes = watcher.shapes.get(name, [])
        if one.problem is not None:
            continue
        if name in watcher.by_keyword:
            one.problem = "the forward calls it by keyword (input=...), which other layers do not take"
        elif name in watcher.readers:
            reader, what = watcher.readers[name]
            one.problem = f"the forward of {reader or type(root).__name__} reads its {what}"
        elif one.turn is None:
            one.problem = "the forward does not call it with these inputs"
    return counted


class _Watcher:
    """What the last pass did with the convolutions: name -> convolution; names of modules by identity.

    shapes: of the inputs of each, every shape once. by_keyword: those that were called so. readers: name -> the module
    that read one of its attributes from outside, and which.
    """

    def __init__(self, convolutions: Mapping[str, Convolution], names: Mapping[int, str]) -> None:
        self._convolutions = convolutions
        self._names = names
        self._forget()

    def _forget(self) -> None:
        self.shapes: dict[str, list[tuple[int, ...]]] = {}
        self.by_keyword: set[str] = set()
        self.readers: dict[str, tuple[str, str]] = {}

    @contextmanager
    def watch(self, copy: nn.Module, running: Callable[[], str]) -> Iterator[None]:
        """Watch the convolutions of a copy. It changes the copy, which no other code sees."""
        # A pass that failed, because it lacked values, has been watched before this one.
        self._forget()
        twins = dict(modules_of(copy))
        inner: dict[int, tuple[str, str]] = {}
        for name, convolution in self._convolutions.items():
            if name in twins:
                self._note_calls(twins[name], name)
                conv = self._names[id(convolution.conv)]
                inner[id(twins.get(conv))] = name, conv
        _note_readers([twin for twin in twins.values() if id(twin) in inner], inner, running, self.readers)
        yield

    def _note_calls(self, twin: nn.Module, name: str) -> None:
        forward, shapes, by_keyword = twin.forward, self.shapes.setdefault(name, []), self.by_keyword

        def run(*args: Any, **by_name: Any) -> Any:
            if by_name:
                by_keyword.add(name)
            value = args[0] if args else next(iter(by_name.values()), None)
            shape = tuple(value.shape) if isinstance(value, Tensor) else ()
            if shape not in shapes:
                shapes.append(shape)
            return forward(*args, **by_name)

        twin.__dict__["forward"] = run


def _note_readers(
    twins: Iterable[nn.Module],
    names: Mapping[int, tuple[str, str]],
    running: Callable[[], str],
    readers: dict[str, tuple[str, str]],
) -> None:
    """Note which modules read the attributes of a plain convolution from outside.

    names: identity -> the name of the candidate, and that of the convolution itself.
    """

    class Conv2d(nn.Conv2d):
        """A convolution that notes its readers. Its name is that of the class it replaces, for messages."""

        def __getattribute__(self, attribute: str) -> Any:
            if attribute in _READABLE:
                name, own = names[id(self)]
                if (reader := running()) != own:
                    readers.setdefault(name, (reader, attribute))
            return super().__getattribute__(attribute)

    for twin in twins:
        if type(twin) is nn.Conv2d:
            twin.__class__ = Conv2d
