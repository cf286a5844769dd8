"""One operator for each layer, against brute force over all assignments."""

import random
from itertools import product
from typing import Any

import pytest
from helpers import Run, fresh

from flopcalc import FlopcalcError, network, solve
from flopcalc.replacing.decide import plan, read_request
from flopcalc.replacing.described import replace_layers, spots_of
from flopcalc.replacing.grouping import by_name, clauses_for

pytest.importorskip("scipy")

OPERATORS = ("spconv", "ghost", "dsc", "compconv", "spconv:alpha=1/4", "hetconv", "bsconv", "mixconv")
SUMMED = ("params", "macs", "flops", "activations", "adds", "muls", "other")


def _network(numbers: random.Random) -> str:
    """A small network of four to six convolutions in a row."""
    lines = ["input: [8, 12, 12]", "layers:"]
    for index in range(numbers.randint(4, 6)):
        out, k = numbers.choice((8, 16, 24, 32)), numbers.choice((1, 3, 3, 5))
        stride, bias = numbers.choice((1, 1, 2)), numbers.choice(("true", "false"))
        lines.append(
            f"- c{index}: {{op: conv, out: {out}, k: {k}, stride: {stride}, bias: {bias}, stage: s{index // 2}}}"
        )
        lines.append(f"- act{index}: relu")
    return "\n".join(lines) + "\n"


def _options(path: str, operators: list[str], may_stay: bool) -> list[list[str]]:
    """For each convolution the operators that take it, found out by replacing it alone."""
    plain = network(path)
    found = []
    for layer in plain.layers:
        if layer.kind != "conv":
            continue
        able = []
        for operator in operators:
            replaced = replace_layers(plain, plan(operator))
            if replaced.replaced_by.get(layer.name):
                able.append(operator)
        found.append([*able, *(["keep"] if may_stay or not able else [])])
    return found


def _total(path: str, assignment: tuple[str, ...], kinds: tuple[str, ...]) -> dict[str, int]:
    """The totals of a network whose layers are replaced by name, one by one."""
    plain = network(path)
    names = [layer.name for layer in plain.layers if layer.kind == "conv"]
    clauses = [f'{what} where name == "{name}"' for name, what in zip(names, assignment, strict=True) if what != "keep"]
    net = replace_layers(plain, plan(clauses)).network if clauses else plain
    return {kind: net.total(kind) for kind in kinds}


@pytest.mark.parametrize("seed", range(50))
def test_the_optimum_is_that_of_all_assignments(seed: int, write_network: Any) -> None:
    """Small networks, random operators, objectives and bounds; every assignment is evaluated as a network."""
    numbers = random.Random(seed)  # noqa: S311 - the same numbers on each run
    path = write_network(_network(numbers))
    operators = numbers.sample(OPERATORS, numbers.randint(1, 3))
    may_stay = numbers.random() < 0.7
    objective = numbers.choice(SUMMED)
    minimise = numbers.random() < 0.5
    options = _options(path, operators, may_stay)
    kinds = tuple(dict.fromkeys((objective, *numbers.sample(SUMMED, 2))))
    # The cost of a layer does not depend on the others: the sums of single layers are compared with whole networks.
    every = {one: _total(path, one, kinds) for one in product(*options)}
    limits, texts = [], []
    for kind in kinds[1 : 1 + numbers.randint(0, 2)]:
        amounts = sorted(total[kind] for total in every.values())
        bound = numbers.choice(amounts) + numbers.choice((-1, 0, 1))
        comparison = numbers.choice(("<=", ">=", "<", ">"))
        limits.append((kind, comparison, bound))
        texts.append(f"{kind} {comparison} {bound}")
    met = {"<=": int.__le__, ">=": int.__ge__, "<": int.__lt__, ">": int.__gt__}
    feasible = {
        one: total for one, total in every.items() if all(met[sign](total[kind], bound) for kind, sign, bound in limits)
    }
    wanted: dict[str, Any] = {"minimise" if minimise else "maximise": objective}
    found = solve(path, choose=[*operators, *(["keep"] if may_stay else [])], subject=texts, **wanted)
    assert found.exact
    if not feasible:
        assert found.value is None
        assert found.why_not
        assert found.nearest is not None
        return
    best = (min if minimise else max)(total[objective] for total in feasible.values())
    assert found.cost is not None
    assert found.cost[objective] == best
    chosen = tuple(one["operator"] for one in found.choices)
    assert chosen in feasible
    assert every[chosen] == {kind: found.cost[kind] for kind in kinds}
    # The clauses give exactly these layers.
    again = replace_layers(network(path), plan(list(found.value))).network if found.value else network(path)
    assert {kind: again.total(kind) for kind in SUMMED} == {kind: found.cost[kind] for kind in SUMMED}


@pytest.mark.parametrize("guess", ["milp", "none", "worst"])
@pytest.mark.parametrize("seed", range(40))
def test_near_ties_of_large_numbers(seed: int, guess: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sums that differ by one in 10^17, which floats cannot tell apart, and bounds that are met to the last digit.

    The proof finds the optimum also where `milp` finds no solution, or the worst one.
    """
    from flopcalc.analysis.solving import assignment
    from flopcalc.analysis.solving.assignment import Option, assign

    numbers = random.Random(seed)  # noqa: S311 - the same numbers on each run
    rows = seed % 3
    items = [
        [
            Option(
                10**16 + numbers.randint(0, 5),
                tuple(3 * 10**15 + numbers.randint(-4, 4) + numbers.randint(0, 1) * 10**15 for _ in range(rows)),
            )
            for _ in range(numbers.randint(1, 4))
        ]
        for _ in range(numbers.randint(3, 6))
    ]
    sums = {
        choice: (
            sum(item[number].cost for item, number in zip(items, choice, strict=True)),
            [sum(item[number].rows[row] for item, number in zip(items, choice, strict=True)) for row in range(rows)],
        )
        for choice in product(*(range(len(item)) for item in items))
    }
    bounds = [numbers.choice([one[1][row] for one in sums.values()]) - numbers.randint(0, 1) for row in range(rows)]
    feasible = {
        choice: cost
        for choice, (cost, found) in sums.items()
        if all(a <= b for a, b in zip(found, bounds, strict=True))
    }
    if guess != "milp":
        worst = max(feasible, key=lambda choice: feasible[choice]) if feasible and guess == "worst" else None
        monkeypatch.setattr(assignment, "_guess", lambda *_: worst)
    best = assign(items, bounds)
    assert best.proved
    if not feasible:
        assert best.choices is None
        return
    assert best.choices in feasible
    assert feasible[best.choices] == min(feasible.values())


@pytest.mark.parametrize("seed", range(40))
def test_a_bound_that_is_not_reached(seed: int) -> None:
    """Numbers at random, in which the best choice leaves room in a row, where a worse one fits as well."""
    from flopcalc.analysis.solving.assignment import Option, assign

    numbers = random.Random(seed)  # noqa: S311 - the same numbers on each run
    for _ in range(50):
        rows = numbers.randint(1, 3)
        items = [
            [
                Option(
                    numbers.choice((1200, 600, 24, numbers.randint(-20, 20))),
                    tuple(numbers.randint(-10, 10) for _ in range(rows)),
                )
                for _ in range(numbers.randint(1, 3))
            ]
            for _ in range(numbers.randint(1, 4))
        ]
        bounds = [numbers.randint(-15, 15) for _ in range(rows)]
        sums = [
            sum(option.cost for option in one)
            for one in product(*items)
            if all(sum(option.rows[row] for option in one) <= bound for row, bound in enumerate(bounds))
        ]
        best = assign(items, bounds)
        chosen = best.choices
        cost = None if chosen is None else sum(each[n].cost for each, n in zip(items, chosen, strict=True))
        assert (cost, best.proved) == (min(sums, default=None), True)


def test_keeping_all_layers_is_not_best_where_one_can_be_replaced(write_network: Any) -> None:
    """With n3 replaced there are 273 parameters fewer, and 810 of 811 elements that may be written."""
    path = write_network("""\
name: four
input: [8, 7, 7]
layers:
  - n0: {op: conv, out: 6, k: 5}
  - n1: {op: conv, out: 4, k: 1}
  - n2: {op: conv, out: 6, k: 5, stride: 2}
  - n3: {op: conv, out: 7, k: 3}
""")
    found = solve(path, choose="bsconv,keep", minimise="params", subject="activations <= 811")
    # 8*6*25 + 6*4 + 4*6*25, and a 1x1 convolution of 6 to 7 maps before a depthwise 3x3.
    assert found.cost is not None
    assert found.cost["params"] == 1200 + 24 + 600 + 6 * 7 + 7 * 9
    assert found.value == ["bsconv where last"]


def test_resnet50() -> None:
    """Against a table over all amounts of saved MACs (dynamic programming), written here."""
    found = solve("resnet50", choose="ghost,keep", maximise="params", subject="macs <= 3G")
    plain = network("resnet50")
    ghost = replace_layers(plain, plan("ghost"))
    before = {layer.name: layer.cost for layer in plain.layers}
    items = [
        (before[layer.name].params - layer.cost.params, before[layer.name].macs - layer.cost.macs)
        for layer in ghost.network.layers
        if layer.name in ghost.replaced_by
    ]
    # The parameters that are lost for each amount of MACs that is saved.
    best = {0: 0}
    for params, macs in items:
        for saved, lost in list(best.items()):
            if best.get(saved + macs, 10**12) > lost + params:
                best[saved + macs] = lost + params
        # Amounts that another one beats in both are dropped.
        kept, least = {}, 10**12
        for saved in sorted(best, reverse=True):
            if best[saved] < least:
                kept[saved] = least = best[saved]
        best = kept
    lost = min(lost for saved, lost in best.items() if plain.macs - saved <= 3 * 10**9)
    assert found.cost is not None
    assert found.cost["params"] == plain.params - lost
    assert found.exact


def test_several_limits_and_large_numbers() -> None:
    """Three limits at a large input, where floats have too few digits: checked with whole numbers."""
    found = solve(
        "resnet50",
        choose="spconv,ghost,dsc,keep",
        maximise="params",
        subject=["macs <= 0.6 * baseline", "ratio(baseline, traffic) <= 1.3", "activations >= 400M"],
        input=1568,
    )
    plain = network("resnet50", input=1568)
    assert found.cost is not None
    assert found.cost["macs"] * 10 <= plain.macs * 6
    assert found.cost["traffic"] * 10 <= plain.traffic * 4 * 13
    again = replace_layers(plain, plan(list(found.value))).network
    assert again.params == found.cost["params"]


@pytest.mark.parametrize("seed", range(8))
def test_clauses_give_any_choice(seed: int) -> None:
    """Random choices on a real network: the clauses take exactly these layers, short ones and those by name."""
    numbers = random.Random(seed)  # noqa: S311 - the same numbers on each run
    plain = network(numbers.choice(("resnet18", "resnet50", "vgg16")))
    spots = spots_of(plain)
    operators = [read_request(text) for text in ("spconv", "ghost", "dsc:bias=true", "hetconv")[: seed % 4 + 1]]
    decided = [{one.spot.name: one for one in _decisions(plain, request)} for request in operators]
    chosen = []
    for spot in spots:
        able = [
            request for request, taken in zip(operators, decided, strict=True) if taken[spot.name].request is not None
        ]
        chosen.append(numbers.choice([*able, None]))
    wanted = {spot.name: request.label for spot, request in zip(spots, chosen, strict=True) if request}
    for requests in (clauses_for(spots, chosen), by_name(spots, chosen)):
        if wanted:
            assert dict(replace_layers(plain, plan([one.command for one in requests])).replaced_by) == wanted
        else:
            assert not requests


def _decisions(plain: Any, request: Any) -> Any:
    from flopcalc.replacing.decide import Plan, decide

    return decide(spots_of(plain), Plan((request,)), ())


def test_short_clauses() -> None:
    """Policies where they give the choice; else a condition on a field; not a list of names."""
    assert solve("resnet50", choose="spconv,keep", minimise="macs").value == ["spconv"]
    plain = network("resnet50")
    spots = spots_of(plain)
    request = read_request("spconv")
    chosen = [request if spot.stage == "layer3" and spot.geometries[0].k_h == 3 else None for spot in spots]
    (one,) = clauses_for(spots, chosen)
    assert dict(replace_layers(plain, plan(one.command)).replaced_by).keys() == {
        spot.name for spot, which in zip(spots, chosen, strict=True) if which
    }
    assert "name" not in str(one.where)


@pytest.mark.parametrize(
    ("question", "match"),
    [
        ({"choose": "spconv,keep"}, "--minimise or --maximise"),
        ({"choose": "spconv", "minimise": "macs", "maximise": "params"}, "not both"),
        ({"choose": "keep", "minimise": "macs"}, "names no operator"),
        ({"choose": "octconv,keep", "minimise": "macs"}, "together with their neighbours"),
        ({"choose": "spconv", "minimise": "steps"}, "longest chain"),
        ({"choose": "spconv", "minimise": "time"}, "unknown kind 'time'"),
        ({"choose": "spconv", "minimise": "macs", "subject": "steps <= 3"}, "longest chain"),
        ({"choose": "spconv", "minimise": "macs", "subject": "macs <= params"}, "another cost"),
        ({"minimise": "macs"}, "are for --choose"),
        ({"choose": "gohst", "minimise": "macs"}, "unknown operator 'gohst'"),
    ],
    ids=str,
)
def test_wrong_questions(question: dict[str, Any], match: str) -> None:
    """One line and a hint each."""
    with pytest.raises(FlopcalcError, match=match) as caught:
        solve("resnet50", **question)
    assert caught.value.hint


def test_conditions_and_kept_layers() -> None:
    """`where` and `keep` narrow the layers that may be replaced."""
    found = solve("resnet50", choose="dsc", minimise="macs", where="k == 3", keep="layer1")
    replaced = {one["layer"] for one in found.choices if one["operator"] == "dsc"}
    assert replaced
    assert not any(name.startswith("layer1") for name in replaced)
    plain = replace_layers(network("resnet50"), plan("dsc where k == 3", keep="layer1"))
    assert replaced == set(plain.replaced)


def test_options_of_operators_with_commas() -> None:
    """A comma separates operators, and options of one operator."""
    found = solve("resnet50", choose="spconv:alpha=1/4,groups_k=1,ghost,keep", minimise="params")
    assert {one["operator"] for one in found.choices} <= {"spconv:alpha=1/4,groups_k=1", "ghost", "keep"}


def test_scipy_is_optional() -> None:
    """Exit code 3 and the pip command."""
    hide = "import sys\nsys.modules['scipy'] = None\nfrom flopcalc.cli.main import main\n"
    words = ["solve", "resnet18", "--choose", "ghost,keep", "--minimise", "macs"]
    done: Run = fresh(hide + f"sys.exit(main({words!r}))")
    assert done.code == 3
    assert 'pip install "scipy>=1.11"' in done.err


def test_what_the_solver_writes_is_not_in_the_output(capfd: pytest.CaptureFixture[str]) -> None:
    """HiGHS writes to the file descriptor of standard output in some versions."""
    import os

    from flopcalc.analysis.solving.assignment import _quiet

    with _quiet():
        os.write(1, b"HighsMipSolverData\n")
    os.write(1, b"ours\n")
    assert capfd.readouterr().out == "ours\n"
