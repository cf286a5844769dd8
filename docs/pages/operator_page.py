"""The page of an operator, from its record: structure, equations, options, a worked example, costs, times, sources."""

from collections.abc import Iterator
from fractions import Fraction
from html import escape
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from flopcalc.algebra.closed_form import closed_form
from flopcalc.algebra.formula_record import formula_record
from flopcalc.cost.kinds import KIND
from flopcalc.report import citation
from flopcalc.report.document import people
from flopcalc.spec.operator import Evaluation, Operator
from flopcalc.spec.source import STATUS_TEXT
from pages import times
from pages.diagram import nodes_of, svg
from pages.example import example, output_of
from pages.mathml import mathml

FOLDER = Path(__file__).resolve().parent
_TEMPLATES = Environment(  # noqa: S701 - Markdown from our own records; what goes into HTML is escaped where it is made
    loader=FileSystemLoader(FOLDER), undefined=StrictUndefined, keep_trailing_newline=True, trim_blocks=False
)
_TITLES = {"params": "parameters", "macs": "MACs", "steps": "critical path"}
_RIGHT = {"corrected": "corrected", "asymptotic": "exact", "open": "other reading"}


def page(operator: Operator, plot: dict[str, Any] | None) -> str:
    """The page in Markdown. plot: what the template says of the plot of cost, by name; None if there is none."""
    shown = example(operator)
    evaluation = shown.evaluation
    form = formula_record(closed_form(operator, {}), "latex")
    other = [*(one.paper for one in operator.equations), *(one.paper for one in operator.errata)]
    papers = [operator.paper, *(paper for paper in other if paper)]
    cited = list({paper.key: paper for paper in papers}.values())
    values = {
        "operator": operator,
        "shape": shape_of(evaluation),
        "summary": list(_summary(evaluation)),
        "diagram": svg(evaluation.cost, f"Structure of {operator.name}"),
        "on_weights": any(node.is_work and not node.waits for node in nodes_of(evaluation.cost)),
        "form": form,
        "exact": list(_exact(form, operator.baseline_text)),
        "definitions": [{"left": mathml(k), "right": mathml(v)} for k, v in form["definitions"].items()],
        "equations": list(_equations(form)),
        "statuses": [(name, STATUS_TEXT[name]) for name in dict.fromkeys(one.status for one in operator.equations)],
        "reasons": _reasons(operator),
        "options": [_option(param) for param in operator.params],
        "needs": "; ".join(rule.text for rule in operator.rules),
        "command": shown.command,
        "output": output_of(shown.command),
        **times.of_operator(operator),
        "bench": shown.command.removeprefix("layer "),
        "references": [citation.text(paper) for paper in cited],
        "bibtex": "\n\n".join(citation.bibtex(paper) for paper in cited),
        "has_errata": any(one.status != "printed" for one in operator.equations) or bool(operator.errata),
        **(plot or {"plot": ""}),
    }
    return _TEMPLATES.get_template("operator.md.jinja").render(values)


def shape_of(evaluation: Evaluation) -> str:
    """The shape of an example, as on the command line: 256 -> 256, 3x3, 56x56."""
    return str(evaluation.geometry).replace("->", " → ")


def _summary(evaluation: Evaluation) -> Iterator[dict[str, str]]:
    for kind in ("params", "macs", "flops", "activations", "steps"):
        ratio = evaluation.ratio(kind)
        yield {
            "title": {"flops": "FLOPs", "steps": "critical path (kernels)"}.get(kind, _TITLES.get(kind, kind)),
            "ours": f"{evaluation.cost.total(kind):,}",
            "plain": f"{evaluation.baseline.total(kind):,}",
            "ratio": "" if ratio is None else people(Fraction(ratio), "ratio"),
        }


def _exact(form: dict[str, Any], plain: str) -> Iterator[dict[str, str]]:
    for kind, cost in form["cost"].items():
        title = _TITLES[kind]
        yield {"key": kind, "title": title, "math": mathml(cost["exact"])}
        yield {"key": f"{kind}-ratio", "title": f"{title} over {plain}", "math": mathml(cost["ratio"])}
        if cost["limit"] is not None:
            limit = mathml(cost["limit"])
            if cost["limit_where"] and cost["limit_value"] is not None:
                limit += f" = {cost['limit_value']:.4g} <small>at {escape(cost['limit_where'])}</small>"
            yield {"key": f"{kind}-limit", "title": "limit, many channels", "math": limit}
    for kind, cost in form["kinds"].items():
        title = _TITLES.get(kind, kind)
        yield {"key": kind, "title": f"{title} <small>({escape(KIND[kind].unit)})</small>", "math": mathml(cost)}


def _equations(form: dict[str, Any]) -> Iterator[dict[str, str]]:
    for one in form["equations"]:
        given = ", ".join(f"{name}={value}" for name, value in one["given"].items() if value != "None")
        where = "; ".join(filter(None, [f"for {given}" if given else "", one["domain"]]))
        yield {
            "label": escape(one["label"]),
            "status": one["status"],
            "status_text": STATUS_TEXT[one["status"]],
            "where": escape(where),
            "gives": escape(one["gives"]),
            "printed": mathml(one["printed"]),
            "right_title": _RIGHT.get(one["status"], "right"),
            "right": mathml(one["right"]) if one["right"] else "",
        }


def _reasons(operator: Operator) -> list[dict[str, str]]:
    found: dict[str, list[str]] = {}
    for equation in operator.equations:
        if equation.why:
            found.setdefault(equation.why, []).append(equation.label)
    return [{"labels": ", ".join(dict.fromkeys(labels)), "text": why} for why, labels in found.items()]


def _option(param: Any) -> dict[str, str]:
    bounds = [f"at least {param.least}"] if param.least is not None else []
    bounds += [f"at most {param.most}"] if param.most is not None else []
    values = ", ".join([param.expects, *bounds])
    return {"name": param.name, "default": param.default_text, "accepts": values, "help": param.help}
