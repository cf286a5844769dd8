"""Both sides of every branch of a formula, recorded one after the other and joined element by element."""

from collections.abc import Callable, Collection
from typing import Any, NamedTuple, TypeAlias

from flopcalc.analysis.sweeping.node import Book, NeedsNumberError, Node, select
from flopcalc.errors import FlopcalcError

# Ways through a formula and its rules. A formula with more is computed value by value.
MAX_PATHS = 600


class Refused(NamedTuple):
    """The end of a way on which the operator does not apply. label: the rule in words."""

    label: str


class Branch(NamedTuple):
    """Two ways, and the flag that decides between them."""

    flag: Node
    yes: "Tree"
    no: "Tree"


# The end of a way: the values by name, or a refusal.
End: TypeAlias = dict[str, Any] | Refused
Tree: TypeAlias = Branch | End


class _Path:
    """The decisions on one way: those before, which are repeated, and further ones, which are yes."""

    def __init__(self, before: list[tuple[Node, bool]]) -> None:
        self.taken = list(before)
        self.known = {flag.number: yes for flag, yes in before}

    def decide(self, node: Node) -> bool:
        flag = node.args[0] if node.op == "not" else node
        if flag.number not in self.known:
            self.known[flag.number] = True
            self.taken.append((flag, True))
        yes = self.known[flag.number]
        return not yes if node.op == "not" else yes


def explore(book: Book, run: Callable[[], dict[str, Any]]) -> Tree:
    """All ways through `run`, which returns values by name or raises FlopcalcError where the operator does not apply.

    Raises NeedsNumberError where it cannot be recorded.
    """
    left = [MAX_PATHS]

    def grow(before: list[tuple[Node, bool]]) -> Tree:
        left[0] -= 1
        if left[0] < 0:
            raise NeedsNumberError(0)
        path = _Path(before)
        book.decide = path.decide
        tree: Tree
        try:
            tree = run()
        except FlopcalcError as error:
            # Another error has no rule; its hint is the same for all sizes.
            tree = Refused(error.rule or error.hint)
        for index in range(len(path.taken) - 1, len(before) - 1, -1):
            flag, _ = path.taken[index]
            tree = Branch(flag, tree, grow([*path.taken[:index], (flag, False)]))
        return tree

    return grow([])


# The code of a combination to which the operator applies; refusals have 1, 2, ...
APPLIES = 0


class Joined(NamedTuple):
    """values: by name, for the combinations to which the operator applies; anything elsewhere. code: APPLIES, or the
    number of a refusal. labels: those of the refusals, the first of code 1.
    """

    values: dict[str, Any]
    code: Any
    labels: tuple[str, ...]


def join(tree: Tree, names: Collection[str]) -> Joined:
    """One value for each of the names, selected element by element."""
    labels: dict[str, int] = {}

    def code(one: Tree) -> Any:
        if isinstance(one, Refused):
            return labels.setdefault(one.label, len(labels) + 1)
        return select(one.flag, code(one.yes), code(one.no)) if isinstance(one, Branch) else APPLIES

    def values(one: Tree) -> dict[str, Any] | None:
        """None where the operator never applies."""
        if isinstance(one, Refused):
            return None
        if not isinstance(one, Branch):
            return {name: one.get(name) for name in names}
        yes, no = values(one.yes), values(one.no)
        if yes is None or no is None:
            return no if yes is None else yes
        return {name: _selected(one.flag, yes[name], no[name]) for name in yes}

    codes = code(tree)
    return Joined(values(tree) or {}, codes, tuple(labels))


def _selected(flag: Node, yes: Any, no: Any) -> Any:
    """A value that may be missing on one side, or a text that must be equal on both."""
    if yes is None or no is None or isinstance(yes, str) or isinstance(no, str):
        if yes is no or (isinstance(yes, str) and yes == no):
            return yes
        raise NeedsNumberError(flag.axes)
    return select(flag, yes, no)
