"""Tests of every operator. A new operator is tested as soon as its file exists.

These prove consistency, not truth; truth comes from the witnesses in the files of the operators, in tests/published,
and from counting real modules. Each message says what the author of a new operator has to do.
"""

import ast
import inspect
import re
import textwrap
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import sympy
from helpers import for_author

from flopcalc import layer
from flopcalc.algebra import closed_form
from flopcalc.catalog import lookup, part_names
from flopcalc.catalog.cases import cases
from flopcalc.cost.geometry import Geometry, same_padding
from flopcalc.cost.kinds import OF_A_KERNEL
from flopcalc.cost.parts import NOTHING
from flopcalc.networks.blocks import COMMON
from flopcalc.spec.equations import read, readings
from flopcalc.spec.layer_record import notes
from flopcalc.spec.operator import Evaluation, Operator, Site
from flopcalc.text.expression import parse

OPERATORS = list(lookup.every())
every_operator = pytest.mark.parametrize("operator", OPERATORS, ids=lambda operator: operator.name)


@every_operator
def test_enough_cases_are_allowed(operator: Operator) -> None:
    """The spread of shapes must exercise each operator, or the tests below say nothing."""
    shapes = {evaluation.geometry for evaluation in cases(operator)}
    assert len(shapes) >= 6, for_author(
        operator.name,
        f"its rules allow {len(shapes)} of the usual shapes, and 6 are needed; give it `shapes` that it takes, "
        "or `samples` of options at which it takes more",
    )
    assert operator.equations or operator.limits, for_author(
        operator.name,
        "give it an Equation (what the paper prints) or a Limit (option values at which it must equal another "
        "operator)",
    )


@every_operator
def test_formula_is_pure_arithmetic(operator: Operator) -> None:
    """No branch, no comparison, no true division, no float in a formula or its local helpers."""
    module = inspect.getmodule(operator.formula)
    called = {
        node.func.id
        for node in ast.walk(_tree(operator.formula))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }
    # Helpers of the same file that the formula calls are held to the same rule.
    helpers = [getattr(module, name) for name in called if inspect.isfunction(getattr(module, name, None))]
    for function in [operator.formula, *helpers]:
        for node in ast.walk(_tree(function)):
            divides = isinstance(node, ast.BinOp | ast.AugAssign) and isinstance(node.op, ast.Div)
            refused = divides or isinstance(node, ast.If | ast.IfExp | ast.Compare | ast.While)
            assert not refused, for_author(
                operator.name,
                f"`{ast.unparse(node)}` in {function.__name__} has a branch, a comparison, a loop or a true division; "
                "use parts.when for parts that may be missing, a derived value for other choices, and the quotients of "
                "arith.py",
            )
            assert not (isinstance(node, ast.Constant) and isinstance(node.value, float)), for_author(
                operator.name,
                f"{function.__name__} has the float {ast.unparse(node)}; write whole numbers or a Fraction",
            )


def _tree(function: Callable[..., Any]) -> ast.Module:
    return ast.parse(textwrap.dedent(inspect.getsource(function)))


@every_operator
def test_results_are_exact_ints(operator: Operator) -> None:
    """Not floats, not Fractions, not NumPy numbers; and never negative."""
    for evaluation in cases(operator):
        for part in evaluation.cost:
            for kind in (*OF_A_KERNEL, "steps"):
                value = getattr(part, kind)
                assert type(value) is int, for_author(
                    evaluation.label(),
                    f"{kind} of part {part.name} is {value!r}, not an int; use the quotients of arith.py instead of "
                    "`/`",
                )
                assert value >= 0, for_author(
                    evaluation.label(),
                    f"{kind} of part {part.name} is {value} on {evaluation.geometry}; correct the formula, or add a "
                    "Rule that refuses such shapes",
                )


def _arrays(g: Geometry) -> Geometry:
    """The geometry with every number in an array."""
    return Geometry(*(np.array([size], dtype=np.int64) for size in g))


@every_operator
def test_ints_equal_arrays(operator: Operator) -> None:
    """The same function on int64 arrays."""
    for evaluation in cases(operator):
        g = evaluation.geometry
        found = operator.cost(_arrays(g)._replace(**_structural(g)), evaluation.named)
        for kind in (*OF_A_KERNEL, "steps"):
            assert np.asarray(found.total(kind)).reshape(-1).tolist() == [evaluation.cost.total(kind)], for_author(
                evaluation.label(),
                f"{kind} differ between ints and arrays on {evaluation.geometry}; write the formula with the "
                "functions of arith.py, which take both",
            )
        derived = operator.derive(_arrays(g)._replace(**_structural(g)), evaluation.options)
        for name, value in evaluation.derived.items():
            if isinstance(value, int):
                assert np.asarray(derived[name]).reshape(-1).tolist() == [value], for_author(
                    evaluation.label(),
                    f"the derived value {name} differs between ints and arrays on {evaluation.geometry}; compute it "
                    "with the functions of arith.py, which take both",
                )


def _structural(g: Geometry) -> dict[str, Any]:
    """Strides decide whether a pooling is there: they stay concrete."""
    return {"stride_h": g.stride_h, "stride_w": g.stride_w}


@every_operator
def test_ints_equal_symbols(operator: Operator) -> None:
    """The closed form, with numbers put in, is what the ints give: params and MACs at any stride."""
    tried = 0
    for options in ({}, *({p.name: v} for p in operator.params for v in p.samples[:1] if p.letter == "")):
        form = closed_form.closed_form(operator, options)
        for evaluation in cases(operator):
            if evaluation.given != set(options) or any(evaluation.named[k] != v for k, v in options.items()):
                continue
            g = evaluation.geometry
            if (g.k_h != g.k_w and operator.axes == 2) or not _as_at_stride_1(operator, evaluation):
                continue
            numbers: dict[str, Any] = {
                "c_in": g.c_in,
                "c_out": g.c_out,
                "k": g.k_w,
                "h_out": g.h_out,
                "w_out": g.w_out,
                "groups": g.groups,
                "h": g.h,
                "w": g.w,
            }
            for param in operator.params:
                value = evaluation.named[param.stands_for or param.name]
                if param.letter and param.name not in options:
                    numbers[param.letter] = sympy.Rational(value)
            for kind in ("params", "macs"):
                expression = form.expand(form.cost(kind))
                found = expression.subs({s: numbers[s.name] for s in expression.free_symbols})
                assert found * (g.batch if kind == "macs" else 1) == evaluation.cost.total(kind), for_author(
                    evaluation.label(),
                    f"the closed form of {kind} with the numbers of {g} put in is another number than the formula "
                    "on ints; write the formula with the functions of arith.py, and give a `letter` to each number "
                    "that varies",
                )
                tried += 1
    assert tried, for_author(
        operator.name,
        "the closed form was compared on no shape; add a square one at stride 1 that keeps its size to `shapes`",
    )


def _as_at_stride_1(operator: Operator, evaluation: Evaluation) -> bool:
    """Whether stride, padding and dilation change no more than the grids.

    Some blocks have other branches at a stride, and the depth of a volume has a grid of its own.
    """
    g = evaluation.geometry
    same = dict(zip(("padding_h", "padding_w"), same_padding(g.kernel, (1, 1)), strict=True))
    flat = g._replace(stride_h=1, stride_w=1, dilation_h=1, dilation_w=1, **same)
    wide = flat._replace(padding_h=flat.padding_h + 1)
    costs = [operator.cost(one, operator.derive(one, evaluation.options)) for one in (flat, wide)]
    found = {(cost.params, cost.macs) for cost in costs[: 1 if g.k_h % 2 else 2]}
    # Where the padding matters, an even kernel has none that keeps the size, as closed forms assume.
    return found == {(evaluation.cost.params, evaluation.cost.macs)}


@every_operator
def test_params_depend_on_channels_and_kernel_only(operator: Operator) -> None:
    """Weights do not know the resolution or the batch; MACs are linear in the batch."""
    for evaluation in cases(operator):
        g, named = evaluation.geometry, evaluation.named
        bigger = g._replace(batch=g.batch * 3)
        assert operator.cost(bigger, named).params == evaluation.cost.params, for_author(
            evaluation.label(), "its parameters grow with the batch n; take n and the positions out of the weights"
        )
        # What is computed from weights alone is the same for all samples.
        of_weights = set(NOTHING)
        for part in evaluation.cost:
            if part.after and of_weights.issuperset(part.after):
                of_weights.add(part.name)
        for kind in ("macs", "adds", "muls", "other", "activations"):
            for part, more in zip(evaluation.cost, operator.cost(bigger, named), strict=True):
                now, then = getattr(part, kind), getattr(more, kind)
                assert then == 3 * now or (then == now and part.name in of_weights), for_author(
                    evaluation.label(),
                    f"{kind} of part {part.name} are not three times as many at three times the batch; give the parts "
                    "g.p_in and g.p_out as positions, which hold the batch; a part that reads weights alone has "
                    "after=parts.NOTHING, or the names of such parts",
                )
        assert operator.cost(bigger, named).steps == evaluation.cost.steps, for_author(
            evaluation.label(), "its steps depend on the batch; a part for each sample is not allowed"
        )
        wider = g._replace(h=g.h * 2, h_out=g.h_out * 2)
        assert operator.cost(wider, named).params == evaluation.cost.params, for_author(
            evaluation.label(), "its parameters grow with the height; weights depend on channels and kernel only"
        )


@every_operator
def test_limits(operator: Operator) -> None:
    """At its declared limits the operator costs what the simpler one costs, surviving parts apart."""
    for limit in operator.limits:
        simpler, tried = lookup.get(limit.equals), 0
        for evaluation in cases(operator):
            if evaluation.given:
                continue
            g = evaluation.geometry
            # Derived values follow from the limit's options, and are then overridden by its own.
            options = {name: value for name, value in limit.named.items() if name in operator.param}
            named = {**operator.derive(g, {**evaluation.options, **options}), **limit.named}
            cost = operator.cost(g, named)
            other = simpler.evaluate(g, limit.equals_options).cost
            kept = [part for part in cost if part.name not in limit.surviving]
            for kind in ("params", "macs"):
                assert sum(getattr(part, kind) for part in kept) == getattr(other, kind), for_author(
                    operator.name,
                    f"at {dict(limit.named)} its {kind} on {g} are not those of {limit.equals}; correct the formula "
                    "or the Limit, and name in `surviving` the parts that remain in addition to the simpler operator",
                )
            tried += 1
        assert tried, for_author(
            operator.name,
            f"its limit at {dict(limit.named)} was compared on no shape; add one that its rules allow to `shapes`",
        )


@every_operator
def test_equations_at_numbers(operator: Operator) -> None:
    """Every equation speaks about some case, and there it is as its status says."""
    spoke: dict[int, int] = {}
    differed: set[int] = set()
    for evaluation in cases(operator):
        for index, reading in enumerate(readings(evaluation)):
            if reading.reason:
                continue
            spoke[index] = spoke.get(index, 0) + 1
            assert reading.consistent, for_author(
                evaluation.label(),
                f"eq. {reading.equation.number} on {evaluation.geometry}: the formula gives {reading.value}, the "
                f"printed form {reading.printed}, the right form {reading.right}; {_advice(reading.equation.status)}",
            )
            if reading.printed != reading.value:
                differed.add(index)
    for index, equation in enumerate(operator.equations):
        assert spoke.get(index), for_author(
            operator.name,
            f"eq. {equation.number} was compared on no shape; correct its `given` and its condition, or add a shape "
            "or a sample of options at which it applies",
        )
        if equation.status in ("corrected", "asymptotic"):
            assert index in differed, for_author(
                operator.name,
                f"eq. {equation.number} differs from the formula on no shape, so it is not {equation.status}; give "
                "it the status `printed`",
            )


def _advice(status: str) -> str:
    """What the author of an equation that differs can do."""
    form = (
        "copy it as it is printed; where the source is wrong give it the status `corrected`, `right` and `why`"
        if status == "printed"
        else "correct `right`, or the formula"
    )
    return f"{form}; where it does not hold for all shapes and options, say so with `given`, `sizes` or `domain`"


# Their letters have no value outside: a window that is not there, a logarithm that is not whole.
WITHOUT_A_VALUE = {("attention", "a window is given"), ("eca", "C is a power of two"), ("sic", "dims are given")}


@every_operator
def test_domains_are_as_wide_as_they_can_be(operator: Operator) -> None:
    """Where an equation is said not to hold, the formula gives another number."""
    for equation in operator.equations:
        if equation.domain is None or (operator.name, equation.domain_text) in WITHOUT_A_VALUE:
            continue
        for evaluation in cases(operator):
            everywhere = read(equation._replace(domain=None), evaluation)
            if everywhere.reason or equation.domain(evaluation.geometry, evaluation.named):
                continue
            assert not everywhere.consistent, for_author(
                evaluation.label(),
                f"eq. {equation.number} holds on {evaluation.geometry} too, which is not in its domain, "
                f"`{equation.domain_text}`; widen the domain, or take it away",
            )


@every_operator
def test_equations_as_algebra(operator: Operator) -> None:
    """printed equals the formula as a function; another status means that it does not."""
    for equation in operator.equations:
        options = {n: value for n, value in equation.given.items() if value is not None and n in operator.param}
        proof = closed_form.prove(closed_form.closed_form(operator, options), equation)
        if equation.status == "open":
            assert proof is None, for_author(
                operator.name, f"eq. {equation.number} can be proved, so it is not open; give it the status that it has"
            )
            continue
        assert proof is not None, for_author(
            operator.name,
            f"eq. {equation.number} cannot be compared as algebra; write its text with what flopcalc.expression reads, "
            "and map all its letters",
        )
        assert proof.equals == (equation.status == "printed"), for_author(
            operator.name,
            f"eq. {equation.number} is {equation.status}, but as algebra it is {proof.printed} and the formula gives "
            f"{proof.value}; correct the status, the text or the formula",
        )
        if equation.right:
            assert proof.right_equals, for_author(
                operator.name,
                f"the right form of eq. {equation.number} is not the formula, {proof.value}; correct one of them",
            )


@every_operator
def test_asymptotic_equations_share_the_leading_term(operator: Operator) -> None:
    """The ratio of the print to the exact form tends to 1 as channels and, where named, s fall away."""
    c = sympy.Symbol("c", integer=True, positive=True)
    for equation in operator.equations:
        if equation.status != "asymptotic":
            continue
        proof = closed_form.prove(closed_form.closed_form(operator), equation)
        assert proof is not None, for_author(
            operator.name, f"eq. {equation.number} cannot be compared as algebra; map all its letters"
        )
        quotient = closed_form.without_floors(proof.printed / proof.value)
        channels = {s: c for s in quotient.free_symbols if s.name in ("c_in", "c_out")}
        limit = sympy.limit(sympy.together(quotient.subs(channels)), c, sympy.oo)
        assert sympy.simplify(limit) == 1, for_author(
            operator.name,
            f"eq. {equation.number} is another than the formula for many channels too, so it is not asymptotic; "
            "give it the status `corrected` and the right form",
        )


@every_operator
def test_every_letter_of_an_equation_is_used(operator: Operator) -> None:
    """The map from letters to names has no letter that the text lacks, and no name that formulas lack."""
    known = set(Geometry._fields) | {"k", "stride"} | set(operator.param)
    known |= {derived.name for derived in operator.derived}
    for equation in operator.equations:
        used: set[str] = set()
        for text in filter(None, (equation.text, equation.right)):
            used |= {node.id for node in ast.walk(parse(text)) if isinstance(node, ast.Name)}
        unknown = set(equation.letters.values()) - known
        assert not unknown, for_author(
            operator.name,
            f"the letters of eq. {equation.number} mean {sorted(unknown)}, which are not sizes, options or derived "
            "values",
        )
        unmapped = used - set(equation.letters) - {"sum", "ceil", "floor", "log2", "max", "min", "i"}
        assert not unmapped, for_author(
            operator.name, f"eq. {equation.number} uses {sorted(unmapped)}; say in `letters` what they mean"
        )
        if equation.gives not in ("params", "macs") or equation.number.isdigit():
            assert set(equation.letters) & used, for_author(
                operator.name, f"eq. {equation.number} uses none of its letters; map the letters that its text has"
            )


@every_operator
def test_record_is_documented(operator: Operator) -> None:
    """Names and words that users see."""
    name = operator.name
    assert lookup.get(name) is operator, for_author(name, "call the operator as its file is called")
    assert operator.title, for_author(name, "give it a title of a few words")
    assert operator.paper.title, for_author(name, "write its Paper out in full, the title first")
    for param in operator.params:
        assert param.help, for_author(name, f"give the option {param.name} a help text")
        assert param.default_text, for_author(name, f"say in words what the option {param.name} is when not given")
    for rule in operator.rules:
        assert rule.hint, for_author(name, f"give the rule `{rule.text}` a hint: what a user can do")


@every_operator
def test_names_of_parts_are_those_of_the_formula(operator: Operator) -> None:
    """In `after`, in what equations give, and in `surviving`."""
    problems = list(part_names.problems(operator))
    assert not problems, for_author(operator.name, problems[0])


@every_operator
def test_notes_are_sentences(operator: Operator) -> None:
    """They work on every case, and take the evaluation alone."""
    for evaluation in cases(operator):
        for note in notes(evaluation):
            assert isinstance(note, str), for_author(operator.name, f"its notes yield {note!r}, not a sentence")
            assert note.endswith("."), for_author(operator.name, f"end the note `{note}` with a full stop")


@every_operator
def test_options_are_keywords_of_the_module(operator: Operator) -> None:
    """A module takes them in addition to the arguments of nn.Conv2d, device and dtype."""
    taken = {"in_channels", "out_channels", "kernel_size", "padding_mode", "device", "dtype", "self"}
    assert not taken & set(operator.param), for_author(
        operator.name, f"the module has arguments {sorted(taken & set(operator.param))} already; rename the options"
    )


@every_operator
def test_options_are_keys_of_descriptions(operator: Operator) -> None:
    """In a network description an option is a key of its layer, next to the keys that every layer has."""
    taken = COMMON & set(operator.param)
    assert not taken, for_author(
        operator.name, f"every layer of a description has a key {sorted(taken)[:1]} with a meaning; rename the option"
    )


def test_an_option_of_the_wrong_kind_is_refused() -> None:
    """For each kind, values that must not pass."""
    bad: dict[str, list[Any]] = {
        "int": ["x", "1.5", "", "1e3", None, True, 10**400, "9" * 200],
        "fraction": ["x", "0", "-1/2", "1/0", "nan", "inf", True, None, "9" * 200],
        "bool": ["maybe", "2", 3, None],
        "choice": ["neither", "", None, 1],
        "ints": ["", "a,b", "0,1", "-1", "1,,2", None, 3, "1," * 40],
    }
    from flopcalc.errors import FlopcalcError

    seen = set()
    for operator in OPERATORS:
        for param in operator.params:
            seen.add(param.kind)
            for value in bad.get(param.kind, ()):
                if param.kind == "int" and value == 10**400 and param.most is None:
                    continue
                if param.kind == "fraction" and value == "0" and param.least == 0:
                    continue
                with pytest.raises(FlopcalcError, match=param.name) as caught:
                    param.read(value)
                assert caught.value.code == "bad-option", for_author(
                    operator.name,
                    f"{value!r} as {param.name} must be refused as a bad option, by the kind of the Param",
                )
    assert seen == set(bad), for_author(
        sorted(seen ^ set(bad)),
        "a kind of option that no operator has or that is not tried here; add bad values for it",
    )


@every_operator
def test_papers_are_complete(operator: Operator) -> None:
    """A paper with authors has a year and an arXiv number or DOI; names are `Family, Given`."""
    paper = operator.paper
    name = operator.name
    assert re.fullmatch(r"[a-z0-9_]+", paper.key), for_author(
        name, f"the key of its paper is {paper.key!r}; use lower-case letters, digits and _, as in zhang2020split"
    )
    if paper.authors:
        assert paper.year, for_author(name, "its paper has authors and no year; add it")
        assert paper.arxiv or paper.doi, for_author(name, "its paper cannot be found; give its arXiv number or its DOI")
        assert all(", " in author for author in paper.authors), for_author(
            name, "write the authors of its paper as `Family, Given`"
        )
    assert not paper.arxiv or re.fullmatch(r"\d{4}\.\d{4,5}", paper.arxiv), for_author(
        name, f"the arXiv number of its paper is {paper.arxiv!r}; write it as 2106.10486, without a version"
    )
    assert not paper.doi or paper.doi.startswith("10."), for_author(
        name, f"the DOI of its paper is {paper.doi!r}; write it from the 10. on, without an address"
    )


def test_one_key_is_one_paper() -> None:
    """Two operators of one paper share the record."""
    seen: dict[str, object] = {}
    for operator in lookup.every():
        assert seen.setdefault(operator.paper.key, operator.paper) == operator.paper, for_author(
            operator.name,
            f"another operator has a different paper with the key {operator.paper.key}; share the record, or choose "
            "another key",
        )


@pytest.mark.parametrize(
    "name", ["fire", "bottleneck", "se", "mbconv", "fused_mbconv", "shuffle_unit", "shuffle_unit_v2", "convnext_block"]
)
def test_blocks_replace_no_convolution(name: str) -> None:
    """A network keeps its convolutions, each with a reason."""
    for k in (1, 3, 7):
        site = Site("conv", layer("conv", 64, k=k).geometry, first=False)
        assert lookup.get(name).policy.refuses(site)
