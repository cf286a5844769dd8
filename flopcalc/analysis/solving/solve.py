"""`flopcalc.solve`: which value of an option meets a target."""

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, SupportsIndex

from flopcalc.analysis.solving import answers, closed_form, front
from flopcalc.analysis.solving.axes import Axis, NotTraceableError, axis_of
from flopcalc.analysis.solving.batches import is_about_memory, solve_batch
from flopcalc.analysis.solving.command import command
from flopcalc.analysis.solving.question import PICKS, Question, bases_of, read_limits
from flopcalc.analysis.solving.search import Found, Search
from flopcalc.analysis.solving.solution import Solution
from flopcalc.analysis.solving.subjects import BATCH, Changed, DescribedNetwork, OneOperator, PythonModel
from flopcalc.analysis.solving.variables import Variable, checked_names, of_network, of_operator, restricted
from flopcalc.cost.cost import DTYPE_BYTES
from flopcalc.cost.geometry import geometry
from flopcalc.errors import FlopcalcError, clip
from flopcalc.networks.inputs import InputLike
from flopcalc.networks.progress_bar import Words, following
from flopcalc.targets.call import SIZES, from_call, refuse
from flopcalc.targets.read import check_no_call, is_python, own_channels
from flopcalc.targets.spec import TargetSpec, as_texts

# Values at which the target does not exist, and that are passed over to find the next one.
_NEXT = 64

AnySubject = DescribedNetwork | PythonModel | OneOperator


def solve(
    what: str | os.PathLike[str] | Any,
    for_: str | Iterable[str] = (),
    target: str | Iterable[str] = (),
    /,
    *,
    subject: str | Iterable[str] = (),
    pick: str | None = None,
    among: Mapping[str, str | Sequence[Any]] | str | Sequence[Any] | None = None,
    choose: str | Iterable[str] = (),
    minimise: str | None = None,
    maximise: str | None = None,
    input: InputLike | Sequence[InputLike] | None = None,
    batch: SupportsIndex = 1,
    replace: str | Iterable[str] = (),
    where: str | None = None,
    keep: str | Iterable[str] = (),
    arg: Mapping[str, Any] | None = None,
    method: str | None = None,
    on: str | None = None,
    timeout: float | None = None,
    dtype: str = "float32",
    **options: Any,
) -> Solution:
    """The value of an option that meets a target: `solve("mobilenet_v2", "width", "macs <= 300M")`.

    what: a network or an operator as `flopcalc list` shows it, a path, or a Python model as in `flopcalc model`. for_:
    an option of it; `input` (height and width together); `batch`; an option of a clause of `replace`; a size of an
    operator (c_in, c_out, k, hw, ...); two of these, by a comma, for all pairs that meet the target. target: a limit as
    in flopcalc.yaml, or several. subject: limits that must hold too. among: the values to try, `"128:448:32"` or a
    list, for two names by name. The other keywords describe the target as `flopcalc.network` and `flopcalc.layer` do.

    The answer is the largest value that meets the target for `<=`, and the smallest one for `>=`; the other way round
    where the cost only falls as the value grows. pick: `largest` or `smallest` gives the one or the other. Sizes are in
    channels and pixels, traffic is in bytes of `dtype`.

    With choose, one operator is chosen for each convolution of a described network, so that one kind of cost is as
    small (minimise) or as large (maximise) as possible: `solve("resnet50", choose="spconv,ghost,keep", minimise="macs",
    subject="params <= 20M")`. It needs SciPy.

    The result has the value as text, its cost, and `exact`, `method`, `alternatives`, `why_not`; without a solution,
    its value is None. Raises FlopcalcError for unknown names and wrong values.

    >>> from flopcalc import solve
    >>> solve("sic", "b", "ratio(conv) < 1", c_in=64).value
    '7'
    """
    choose = () if isinstance(choose, str) and not choose else as_texts(choose, "choose", "spconv,ghost,keep")
    for name, kind in (("minimise", minimise), ("maximise", maximise)):
        if kind is not None and not isinstance(kind, str):
            raise FlopcalcError("bad-option", f"{name} is {clip(kind)}, not a kind of cost", f'write {name}="macs"')
    # With choose, where and keep are about the chosen operators.
    plan: dict[str, Any] = {} if choose else {"replace": replace, "where": where, "keep": keep}
    spec = from_call(what, options, batch=batch, timeout=timeout, input=input, **plan, arg=arg, method=method, on=on)
    if choose:
        refuse({"replace": replace}, "does not go with choose", ", and write its operators in choose")
        refuse({"for_": for_, "among": among, "pick": pick}, "does not go with choose")
    limits = as_texts(target, "target", "macs <= 300M"), as_texts(subject, "subject", "params <= 20M")
    # How many values must be tried is not known before.
    with following(Words(spec.shown, start="searching"), steady=True):
        if choose or minimise or maximise:
            from flopcalc.analysis.solving.choosing import choose_operators

            _check_dtype(dtype)
            return choose_operators(
                spec,
                choose,
                minimise,
                maximise,
                (*limits[0], *limits[1]),
                where=where,
                keep=as_texts(keep, "keep"),
                dtype=dtype,
            )
        names = as_texts(for_, "for_", "width")
        return solve_spec(spec, names, *limits, _among(among, names), dtype, pick)


def _among(given: Any, names: Sequence[str]) -> dict[str, tuple[str, ...]]:
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        given = {",".join(names): given}
    found = {}
    for name, values in given.items():
        texts = (values,) if isinstance(values, str) or not isinstance(values, Iterable) else tuple(values)
        if not texts:
            raise FlopcalcError("bad-option", f"among has no value of {clip(name)}", 'write for example "128:448:32"')
        found[str(name)] = tuple(map(str, texts))
    return found


def solve_spec(
    spec: TargetSpec,
    for_: Sequence[str],
    targets: Sequence[str],
    subjects: Sequence[str] = (),
    listed: Mapping[str, Sequence[str]] | None = None,
    dtype: str = "float32",
    pick: str | None = None,
) -> Solution:
    """The answer for a target that is given as a spec; see `solve`. listed: texts of values by name."""
    names = checked_names(for_)
    picked = next((one for one in PICKS if isinstance(pick, str) and one == pick), None)
    if pick is not None and picked is None:
        raise FlopcalcError("bad-option", f"pick is {clip(pick)}", f"one of: {', '.join(PICKS)}")
    _check_dtype(dtype)
    if not targets:
        raise FlopcalcError("bad-usage", "no target is given", "write for example --target 'macs <= 300M'")
    if spec.kind == "network" and BATCH in names and spec.batch != 1:
        why = f"batch is given as {clip(spec.batch)}, and searched for"
        raise FlopcalcError("bad-usage", why, "leave out batch, or --for batch")
    if is_about_memory((*targets, *subjects), spec.kind):
        if picked == "smallest":
            raise FlopcalcError("bad-usage", "the largest batch is searched for", "leave out --pick smallest")
        _check_listed(names, listed or {})
        return solve_batch(spec, names, (*targets, *subjects), dtype, tuple((listed or {}).get(BATCH, ())))
    limits = read_limits((*targets, *subjects), spec.kind)
    subject = _subject(spec, names, bases_of(limits), dtype)
    question = Question(subject, limits, len(targets), picked)
    variables = [_variable(name, subject, listed=name in (listed or {})) for name in names]
    _check_listed(names, listed or {})
    for name, texts in (listed or {}).items():
        place = names.index(name)
        variables[place] = restricted(variables[place], texts)
    _check_start(question, variables)
    if len(variables) == 2:
        return front.solve_pair(question, (variables[0], variables[1]))
    return _one(question, variables[0])


def _check_dtype(dtype: object) -> None:
    if not isinstance(dtype, str) or dtype not in DTYPE_BYTES:
        raise FlopcalcError("bad-option", f"dtype is {clip(dtype)}", f"one of: {', '.join(DTYPE_BYTES)}")


def _check_listed(names: Sequence[str], listed: Mapping[str, Sequence[str]]) -> None:
    for name in listed:
        if name not in names:
            why = f"--among {clip(name)} is not searched for"
            raise FlopcalcError("bad-usage", why, f"write --among {names[0]}=...")


def _subject(spec: TargetSpec, names: Sequence[str], bases: Sequence[str], dtype: str) -> AnySubject:
    if spec.kind == "operator":
        found = OneOperator(spec, bases, dtype)
        wanted = [SIZES.get(name) for name in names if name not in found.operator.param]
        if "c_in" not in found.shape and "c_in" not in wanted:
            found.shape["c_in"] = own_channels(found.operator, found.given)
        for name, size in found.shape.items():
            if name in wanted:
                raise FlopcalcError(
                    "bad-usage",
                    f"{name} is given as {clip(size)}, and searched for",
                    f"leave out {name}, or --for {name}",
                )
        _check_given(found)
        return found
    clauses = Changed(spec.plan, {})
    if isinstance(spec.what, str) and not is_python(spec.what):
        check_no_call(spec)
        return DescribedNetwork(spec, bases, dtype, clauses)
    return PythonModel(spec, bases, dtype, clauses)


def _check_given(found: OneOperator) -> None:
    """Raise FlopcalcError for options and sizes that are wrong whatever the value that is searched for."""
    found.operator.resolve(found.given)
    for name, size in found.shape.items():
        if not isinstance(size, tuple | list):
            # Each one alone: whether they fit together can depend on the value.
            geometry(**{"c_in": 1, "hw" if name in ("h", "w") else name: size})


def _variable(name: str, subject: AnySubject, *, listed: bool) -> Variable:
    if isinstance(subject, OneOperator):
        return of_operator(name, subject, listed=listed)
    return of_network(name, subject, listed=listed)


def _check_start(question: Question, variables: Sequence[Variable]) -> None:
    """A target that cannot be evaluated at its own values is an error, not a value that is refused."""
    if isinstance(question.subject, PythonModel):
        question.subject.measure({one.key: one.value(one.start) for one in variables})


def _one(question: Question, variable: Variable) -> Solution:
    along = axis_of(question, variable)
    try:
        return _solution(question, variable, along, Search(question, variable, along).run())
    except NotTraceableError:
        along = axis_of(question, variable, traced=False)
        return _solution(question, variable, along, Search(question, variable, along).run())


def _solution(question: Question, variable: Variable, along: Axis, found: Found) -> Solution:
    subject = question.subject
    common: dict[str, Any] = {
        "target": subject.name,
        "for_": variable.name,
        "limits": tuple(limit.text for limit in question.limits),
        "method": found.method,
    }
    notes = [found.note] if found.note else []
    if found.cell is None:
        nearest = found.nearest
        point = answers.point_record(question, variable, along, nearest, found.largest) if nearest else None
        why = found.why_not
        if len(question.limits) > 1 and nearest is not None and subject.rate >= 10:
            why += _each_alone(question, variable)
        return Solution(**common, value=None, cost=None, exact=found.exact, why_not=why, nearest=point)
    slow = subject.rate < 10
    if variable.ordered:
        interval, whole, below, above = answers.merged(along, found.cell, slow=slow)
    else:
        interval, whole, below, above = found.cell.interval, True, None, None
    number = answers.value_in(variable, along, interval, found.largest)
    record = answers.interval_record(
        variable, interval, complete=whole and (along.complete or variable.kind == "listed")
    )
    beyond = after = above if found.largest else below
    for _ in range(0 if slow else _NEXT):
        if beyond is None or not beyond.outcome.refused:
            break
        beyond = along.up(beyond) if found.largest else along.down(beyond)
    if beyond is None or beyond.outcome.refused:
        beyond = after
    if found.cell.outcome.uncounted:
        notes.append(f"at least these costs: {found.cell.outcome.uncounted} kernels could not be counted")
    text = variable.text(number)
    formula = closed_form.shown(question, variable, number, found.largest)
    if formula is not None:
        common["method"] += "; the closed form gives the same"
    return Solution(
        **common,
        value=text,
        cost=answers.cost_of(question, found.cell.outcome),
        exact=(found.exact or formula is not None) and not found.cell.outcome.uncounted,
        alternatives=(record,),
        next=None if beyond is None else answers.point_record(question, variable, along, beyond, not found.largest),
        closed_form=formula,
        command=command(subject, [variable.flag(text)], [variable]),
        notes=tuple(notes),
    )


def _each_alone(question: Question, variable: Variable) -> str:
    """What each limit needs by itself, in words; empty where one of them cannot be met."""
    needs = []
    for limit in question.limits:
        alone = question._replace(limits=(limit,), asked=1, pick=None)
        along = axis_of(alone, variable)
        found = Search(alone, variable, along).run()
        if found.cell is None:
            return ""
        number = answers.value_in(variable, along, answers.merged(along, found.cell)[0], found.largest)
        needs.append(f"{limit.text} needs {'at most' if found.largest else 'at least'} {variable.text(number)}")
    return f": {', '.join(needs)}"
