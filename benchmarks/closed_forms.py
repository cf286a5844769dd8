"""Compare closed forms of networks with ordinary costs at random sizes: every kind, of modules layer by layer.

    python benchmarks/closed_forms.py [GROUP ...] [--only NAME ...] [--sizes N] [--seed N]

Groups: described (all shipped networks, and each of their numeric options as a symbol), torchvision (its classifiers),
timm (one network of each family, those of `timm_published.csv`), hf (20 transformers, in tokens). Of each: exact at N
random sizes at which its conditions hold, odd ones and a batch of 1 included; the sizes that it fixes; or why it has
no form. Exits with 1 where a form is not exact.
"""

import argparse
import csv
import random
import sys
import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

from torch import nn

from flopcalc import FlopcalcError
from flopcalc.analysis.closed_forms import network_form
from flopcalc.analysis.network_form import NetworkForm
from flopcalc.analysis.variables import spec_at
from flopcalc.cost.kinds import KINDS
from flopcalc.networks import library
from flopcalc.networks.inputs import Input, parse_input
from flopcalc.pytorch.loading.environment import visiting
from flopcalc.pytorch.loading.importing import import_named, with_operators
from flopcalc.pytorch.loading.module import load_module
from flopcalc.pytorch.tracing.checking import differences
from flopcalc.pytorch.tracing.symbolic import SymbolicNetwork, counted_at, symbolic_network
from flopcalc.targets.read import read_target
from flopcalc.targets.spec import TargetSpec

TABLE = Path(__file__).with_name("timm_published.csv")
# Two layers show what repeats.
SHORT: dict[str, dict[str, Any]] = {
    "albert": {"num_hidden_layers": 2},
    "bert": {"num_hidden_layers": 2},
    "bloom": {"n_layer": 2},
    "deberta": {"num_hidden_layers": 2},
    "distilbert": {"n_layers": 2},
    "electra": {"num_hidden_layers": 2},
    "falcon": {"num_hidden_layers": 2},
    "gemma": {"num_hidden_layers": 2},
    "gpt2": {"n_layer": 2},
    "gpt_neo": {"num_layers": 2, "attention_types": [[["global", "local"], 1]]},
    "gpt_neox": {"num_hidden_layers": 2},
    "llama": {"num_hidden_layers": 2},
    "mistral": {"num_hidden_layers": 2},
    "mpnet": {"num_hidden_layers": 2},
    "opt": {"num_hidden_layers": 2},
    "phi": {"num_hidden_layers": 2},
    "qwen2": {"num_hidden_layers": 2},
    "roberta": {"num_hidden_layers": 2},
    "t5": {"num_layers": 2},
    "xlnet": {"n_layer": 2},
}


class Subject(NamedTuple):
    """A module to compare, and its inputs without the batch."""

    name: str
    module: nn.Module
    inputs: tuple[Input, ...]


def torchvision(only: list[str]) -> Iterator[Subject]:
    """All classifiers."""
    with visiting("torchvision:"):
        library = with_operators(lambda: import_named("torchvision", None))
    for name in library.models.list_models(module=library.models):
        if not only or name in only:
            size = 299 if name == "inception_v3" else 224
            yield Subject(name, load_module(f"torchvision:{name}", {}).module, (Input((3, size, size)),))


def timm(only: list[str]) -> Iterator[Subject]:
    """The cheapest network of each family."""
    with TABLE.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        if not only or row["name"] in only:
            size = int(row["img_size"])
            with visiting("timm:"):
                module = load_module(f"timm:{row['name']}", {}).module
            yield Subject(row["name"], module, (Input((3, size, size)),))


def hf(only: list[str]) -> Iterator[Subject]:
    """Transformers in tokens."""
    from flopcalc.pytorch.loading.transformers_models import model_inputs

    for name, settings in SHORT.items():
        if not only or name in only:
            target = f"hf:{name}"
            with visiting(target):
                module = load_module(target, settings).module
                inputs, _ = model_inputs(module, target, (parse_input("32:int64"),))
            yield Subject(name, module, inputs)


GROUPS = {"torchvision": torchvision, "timm": timm, "hf": hf}
DESCRIBED = "described"


def described(only: list[str], count: int, seed: int) -> Iterator[tuple[str, str, str]]:
    """The name of each shipped network, or of one of its options, whether its form is exact, and the details."""
    for name in library.names():
        if only and name not in only:
            continue
        description = library.compiled(name)
        options = description.numeric(description.at())
        for vary in (None, *options):
            label = name if vary is None else f"{name} {vary}"
            start = time.perf_counter()
            try:
                form = network_form(TargetSpec("network", name), None if vary is None else [f"set.{vary}"])
            except FlopcalcError as error:
                yield label, "no form", error.message
                continue
            took = time.perf_counter() - start
            wrong, checked = compared_form(form, options, count, random.Random(seed))  # noqa: S311 - not for secrets
            what = "wrong" if wrong else "exact"
            yield label, what, wrong or f"{took:.2f} s, {checked} sizes, {len(form.requirements)} conditions"


def compared_form(form: NetworkForm, options: Any, count: int, draws: random.Random) -> tuple[str, int]:
    """What is wrong with a form of a description at random points; and the number of points."""
    checked = 0
    for attempt in range(40 * count):
        point: dict[str, Any] = {}
        for one in form.variables:
            if isinstance(one.hint, Fraction):
                point[one.symbol] = Fraction(draws.randint(5, 60), 20)
            else:
                size = draws.randint(1, 6 if one.kind != "axis" else 700)
                if one.kind in {"option", "item"}:
                    size = draws.randint(int(one.least), 2 * int(one.hint) + 4)
                step = 32 if one.kind == "axis" and attempt % 2 else 1
                point[one.symbol] = max(1, size - size % step)
        if not form.allows(point):
            continue
        spec = spec_at(TargetSpec("network", form.target), form.input_shape, options, form.variables, point)
        try:
            network = read_target(spec).network
        except FlopcalcError as error:
            return f"at {point}: {error.message}", checked
        found = form.at(point)
        for kind in KINDS:
            if network.total(kind) != found[kind]:
                return f"at {point}: {kind} {found[kind]}, and is {network.total(kind)}", checked
        checked += 1
        if checked == count:
            break
    return "", checked


def points(found: SymbolicNetwork, count: int, random_numbers: random.Random) -> Iterator[dict[str, int]]:
    """Random sizes at which all conditions hold; few where they hold for few."""
    given = 0
    seen: set[tuple[int, ...]] = set()
    for attempt in range(4000):
        point = {}
        for axis in found.axes:
            if axis.name == "batch":
                point[axis.symbol] = random_numbers.choice((1, 2, 3, 5))
                continue
            least = int(found.scope.least[axis.symbol])
            size = random_numbers.randint(least, max(2 * axis.size, least + 64))
            # Where any size will not do, multiples may.
            step = (1, 1, 1, 4, 8, 14, 16, 28, 32, 64)[attempt % 10]
            point[axis.symbol] = max(least, size - size % step)
        key = tuple(point.values())
        if key not in seen and found.allows(point):
            seen.add(key)
            yield point
            given += 1
            if given == count:
                return


def compared(subject: Subject, count: int, seed: int) -> tuple[str, str]:
    """exact, fixed, wrong or no form, and the details."""
    start = time.perf_counter()
    try:
        found = symbolic_network(subject.module, list(subject.inputs), 1, name=subject.name)
    except FlopcalcError as error:
        return "no form", error.message
    except Exception as error:
        return "wrong", f"{type(error).__name__}: {error}"
    took = time.perf_counter() - start
    draws = random.Random(seed)  # noqa: S311 - not for secrets
    checked = 0
    for point in points(found, count, draws):
        try:
            counted = counted_at(found, subject.module, list(subject.inputs), 1, point)
        except FlopcalcError as error:
            return "wrong", f"at {point}: {error.message}"
        wrong = differences(found, point, counted)
        if wrong:
            return "wrong", f"at {point}: {'; '.join(wrong[:3])}"
        checked += 1
    conditions = len(found.scope.conditions)
    text = f"{took:.2f} s, {checked} sizes, {conditions} conditions, in {', '.join(found.symbols) or 'nothing'}"
    if found.fixed:
        return (
            "fixed",
            f"{text}; {'; '.join(f'{one.name} {one.value} by {one.place}, {one.why}' for one in found.fixed)}",
        )
    return "exact", text


def main() -> int:
    """Print the table; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("groups", nargs="*", choices=[DESCRIBED, *GROUPS, []], default=[])
    parser.add_argument("--only", nargs="*", default=[])
    parser.add_argument("--sizes", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    any_wrong = False
    for group in asked.groups or (DESCRIBED, *GROUPS):
        tally: dict[str, int] = {}
        subjects = () if group == DESCRIBED else GROUPS[group](asked.only)
        modules = ((one.name, *compared(one, asked.sizes, asked.seed)) for one in subjects)
        for name, what, details in described(asked.only, asked.sizes, asked.seed) if group == DESCRIBED else modules:
            tally[what] = tally.get(what, 0) + 1
            any_wrong |= what == "wrong"
            print(f"{group} {name}: {what}: {details}", flush=True)
        print(f"{group}: {', '.join(f'{number} {what}' for what, number in tally.items())}", flush=True)
    return 1 if any_wrong else 0


if __name__ == "__main__":
    sys.exit(main())
