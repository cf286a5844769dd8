"""Expressions as text, LaTeX and Python source."""

from collections.abc import Callable
from fractions import Fraction
from typing import Any, NamedTuple

from flopcalc.symbolic.atoms import Atom, Decides, Monomial, Number, shared_factors, without_factors
from flopcalc.symbolic.size import Size, denominator_of, rounded_to, too_long

# Characters of one factor: beyond this an expression is of no use to a reader.
_LONGEST = 100_000


class Style(NamedTuple):
    """How expressions are written.

    atom: a symbol, floor, maximum or minimum. over: an expression divided by a whole number. by_term: whether each term
    of a sum has a denominator of its own where they differ; else the whole sum has one.
    """

    name: str
    times: str
    power: Callable[[str, int], str]
    number: Callable[[int], str]
    atom: Callable[[Atom, "Style"], str]
    over: Callable[[str, int], str]
    brackets: tuple[str, str]
    by_term: bool = True


def text(value: Size | Number) -> str:
    """One line: `N*(9408*ceil(H/2)*ceil(W/2) + 2048)`, with ^ for powers."""
    return written(value, TEXT)


def latex(value: Size | Number) -> str:
    """LaTeX, on one line."""
    return written(value, LATEX)


def python(value: Size | Number) -> str:
    """Python source of the expression: exact on ints, and on Fractions for rational symbols."""
    return written(value, PYTHON)


def written(value: Size | Number, style: Style) -> str:
    """An expression in a style, with the symbols that are in all terms in front where there are floors."""
    if not isinstance(value, Size):
        return _number(value, style)
    common, rest = factored(value)
    if not common:
        return _sum(value, style)
    # As many terms as the expression, which has several.
    inner = f"{style.brackets[0]}{_sum(rest, style)}{style.brackets[1]}"
    return f"{_product(value.scope, common, style)}{style.times}{inner}"


def factored(value: Size) -> tuple[Monomial, Any]:
    """The symbols that are in all terms, and the expression without them; none for a plain polynomial."""
    atoms = value.scope.atoms
    if len(value.terms) < 2 or not any(atoms[index].kind != "symbol" for one in value.terms for index in one):
        return (), value
    if any(Fraction(factor).denominator > 1 for factor in value.terms.values()):
        # A half of a product of whole numbers may be whole where that of a part is not.
        return (), value
    common = shared_factors(value.terms, lambda index: atoms[index].kind == "symbol")
    return common, Size(value.scope, without_factors(value.terms, common))


def terms_of(value: Size | Number) -> list[tuple[Monomial, Number]]:
    """The terms as they are written: those of most factors first, then as their factors were first met."""
    if not isinstance(value, Size):
        return [((), value)] if value else []
    return sorted(value.terms.items(), key=lambda term: (-len(term[0]), term[0]))


def term_text(value: Size, term: tuple[Monomial, Number], style: "Style | None" = None) -> str:
    """One term."""
    monomial, factor = term
    return written(Size(value.scope, {monomial: factor}), style or TEXT) if monomial else _number(factor, style or TEXT)


def _sum(value: Size, style: Style) -> str:
    bottom = denominator_of(value)
    together = not style.by_term or all(Fraction(factor).denominator == bottom for factor in value.terms.values())
    pieces: list[str] = []
    for monomial, factor in terms_of(value):
        own = bottom if together else Fraction(factor).denominator
        whole = int(factor * own)
        size = abs(whole)
        product = _product(value.scope, monomial, style)
        if not product:
            piece = style.number(size)
        elif size == 1:
            piece = product
        else:
            piece = f"{style.number(size)}{style.times}{product}"
        if not together and own > 1:
            piece = style.over(piece, own)
        sign = "-" if whole < 0 else "+"
        pieces.append(f" {sign} {piece}" if pieces else f"-{piece}" if whole < 0 else piece)
    found = "".join(pieces)
    if bottom == 1 or not together:
        return found
    return style.over(f"{style.brackets[0]}{found}{style.brackets[1]}" if len(pieces) > 1 else found, bottom)


def _product(scope: Decides, monomial: Monomial, style: Style) -> str:
    powers: dict[int, int] = {}
    for index in monomial:
        powers[index] = powers.get(index, 0) + 1
    found = []
    for index, power in powers.items():
        one = _atom(scope, index, style)
        found.append(style.power(one, power) if power > 1 else one)
    return style.times.join(found)


def _atom(scope: Decides, index: int, style: Style) -> str:
    found = scope.texts.get((style.name, index))
    if found is None:
        found = scope.texts[style.name, index] = style.atom(scope.atoms[index], style)
        if len(found) > _LONGEST:
            raise too_long()
    return found


def _number(value: Number, style: Style) -> str:
    if value < 0:
        return f"-{_number(-value, style)}"
    if isinstance(value, Fraction) and value.denominator != 1:
        return style.over(style.number(value.numerator), value.denominator)
    return style.number(int(value))


class Floor(NamedTuple):
    """floor(inner / bottom), or ceil(inner / bottom), with a whole number below."""

    name: str
    inner: Size
    bottom: int


def floor_of(atom: Atom) -> Floor:
    """The floor as people write it: floor((H + 1)/2) is ceil(H/2)."""
    inner = atom.args[0]
    bottom = denominator_of(inner)
    whole: Any = inner * bottom
    rest = whole.terms.get((), 0)
    atoms = inner.scope.atoms
    is_whole = all(atoms[index].whole for monomial in whole.terms for index in monomial)
    if is_whole and rest == bottom - 1:
        return Floor("ceil", whole - rest, bottom)
    return Floor("floor", whole, bottom)


def _text_atom(atom: Atom, style: Style) -> str:
    if atom.kind == "symbol":
        return atom.name
    if atom.kind == "floor":
        name, inner, bottom = floor_of(atom)
        # Without spaces, so that a long sum is broken between its terms.
        return f"{name}({_over(inner, bottom, style)})".replace(" ", "")
    return f"{atom.kind}({', '.join(written(arg, style) for arg in atom.args)})"


def _over(inner: Size, bottom: int, style: Style) -> str:
    shown = _sum(inner, style)
    if bottom == 1:
        return shown
    return style.over(f"{style.brackets[0]}{shown}{style.brackets[1]}" if len(inner.terms) > 1 else shown, bottom)


def _python_atom(atom: Atom, style: Style) -> str:
    if atom.kind == "symbol":
        return atom.name
    if atom.kind == "floor":
        name, inner, bottom = floor_of(atom)
        shown = _sum(inner, style)
        if len(inner.terms) > 1 or (name == "ceil" and not shown.isidentifier()):
            shown = f"({shown})"
        return f"(-(-{shown}//{bottom}))" if name == "ceil" else f"({shown}//{bottom})"
    if atom.kind == "divisible":
        return f"({written(rounded_to(*atom.args), style)})"
    return f"{atom.kind}({', '.join(written(arg, style) for arg in atom.args)})"


def _latex_atom(atom: Atom, style: Style) -> str:
    if atom.kind == "symbol":
        return latex_symbol(atom.name)
    if atom.kind == "floor":
        name, inner, bottom = floor_of(atom)
        shown = _sum(inner, style)
        shown = rf"\frac{{{shown}}}{{{bottom}}}" if bottom > 1 else shown
        return rf"\left\l{name} {shown} \right\r{name}"
    name = rf"\{atom.kind}" if atom.kind != "divisible" else r"\operatorname{div}"
    return rf"{name}\left({', '.join(written(arg, style) for arg in atom.args)}\right)"


def latex_symbol(name: str) -> str:
    """A symbol as LaTeX: one letter in italics, a word upright, what follows an underscore as an index."""
    head, _, tail = name.partition("_")
    head = head if len(head) == 1 else rf"\mathrm{{{head}}}"
    return rf"{head}_{{\mathrm{{{tail}}}}}" if tail else head


def grouped(number: int) -> str:
    """A number with its digits in groups of three, as LaTeX."""
    return f"{number:,}".replace(",", r"\,")


TEXT = Style(
    "text",
    "*",
    lambda base, power: f"{base}^{power}",
    str,
    _text_atom,
    lambda top, bottom: f"{top}/{bottom}",
    ("(", ")"),
)
PYTHON = Style(
    "python",
    "*",
    lambda base, power: f"{base}**{power}",
    str,
    _python_atom,
    lambda top, bottom: f"({top})//{bottom}",
    ("(", ")"),
    by_term=False,
)
LATEX = Style(
    "latex",
    r" \, ",
    lambda base, power: f"{base}^{{{power}}}",
    grouped,
    _latex_atom,
    lambda top, bottom: rf"\frac{{{top}}}{{{bottom}}}",
    (r"\left(", r"\right)"),
)


def atom_counts(value: Size) -> dict[int, int]:
    """How often each atom is written in an expression, by its index; those inside other atoms are not counted."""
    found: dict[int, int] = {}
    for monomial in value.terms:
        for index in set(monomial):
            found[index] = found.get(index, 0) + 1
    return dict(sorted(found.items()))


def latex_lines(value: Size | Number, per_line: int = 3) -> list[str]:
    """LaTeX of an expression in lines of a few terms each, for an aligned equation."""
    if not isinstance(value, Size):
        return [written(value, LATEX)]
    common, rest = factored(value)
    pieces = []
    for place, (monomial, factor) in enumerate(terms_of(rest)):
        positive = -factor if factor < 0 else factor
        one = term_text(rest, (monomial, positive), LATEX)
        sign = "-" if factor < 0 else "+" if place else ""
        pieces.append(f"{sign} {one}".strip())
    lines = [" ".join(pieces[start : start + per_line]) for start in range(0, len(pieces), per_line)]
    if common:
        # What is common to several terms. \bigl and \bigr do not need to be on one line.
        lines[0] = rf"{_product(value.scope, common, LATEX)}{LATEX.times}\bigl( {lines[0]}"
        lines[-1] += r" \bigr)"
    return lines
