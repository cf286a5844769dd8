"""The source of a formula: papers, and equations exactly as printed."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

from flopcalc.cost.geometry import Geometry

Status = Literal["printed", "corrected", "asymptotic", "open"]

# Shared by all records: read-only.
_NOTHING: Mapping[str, Any] = MappingProxyType({})

STATUS_TEXT: dict[str, str] = {
    "printed": "correct as printed",
    "corrected": "the source is wrong; the corrected form is used",
    "asymptotic": "holds in the limit only; the exact form is used",
    "open": "the evidence allows two readings; an option chooses",
}

# The quantities that an equation can give, in addition to parts of the cost and derived values.
GIVES_TEXT = {
    "macs": "MACs",
    "params": "parameters",
    "macs_ratio": "MACs / plain convolution",
    "params_ratio": "parameters / plain convolution",
    "speedup": "plain convolution / MACs",
    "compression": "plain convolution / parameters",
    "baseline_macs": "MACs of the plain convolution",
    "baseline_params": "parameters of the plain convolution",
}


class Paper(NamedTuple):
    """A source. `key` is its BibTeX key; fields that are not known stay empty."""

    key: str
    authors: tuple[str, ...]
    title: str
    venue: str
    year: int | None
    arxiv: str = ""
    doi: str = ""
    pages: str = ""

    @property
    def who(self) -> str:
        """`Zhang et al. 2021`; the title where no author is known."""
        families = [author.split(",")[0] for author in self.authors]
        names = " and ".join(families) if len(families) < 3 else f"{families[0]} et al."
        return f"{names or self.title} {self.year or ''}".strip()

    @property
    def short(self) -> str:
        """`Zhang et al. 2021 (CVPRW), arXiv 2106.10486`."""
        text = f"{self.who} ({self.venue})"
        return f"{text}, arXiv {self.arxiv}" if self.arxiv else text


class Evidence(NamedTuple):
    """A number that supports a correction, described so that it is computed on each run.

    what: the meaning of the number. Exactly one of: expression (arithmetic on printed or measured figures); operator,
    with shape and options as `flopcalc.layer` takes them; network, with options as `flopcalc.network` takes them.
    field: the figure of the layer: params, macs, macs_ratio, `macs of PART` or the name of a derived value; of the
    network: a kind of cost. over: the options of the same network that the figure is divided by, if `divided`.
    source: where measured figures come from, or who confirms the mistake.
    """

    what: str
    expression: str = ""
    operator: str = ""
    shape: Mapping[str, Any] = _NOTHING
    field: str = ""
    network: str = ""
    over: Mapping[str, Any] = _NOTHING
    divided: bool = False
    source: str = ""


class Erratum(NamedTuple):
    """A wrong statement in words (a wrong formula is an Equation, a wrong figure is in its table).

    where: table, section or figure. printed, right: the statement as printed, and the correct one.
    """

    where: str
    printed: str
    right: str
    evidence: tuple[Evidence, ...]
    paper: Paper | None = None


class Equation(NamedTuple):
    """One printed equation, in the paper's own letters, and how it relates to our formula.

    number: as the paper numbers it, or where it is printed.
    text: the right-hand side as printed, readable by `flopcalc.text.expression`.
    letters: the paper's letter -> the name that formulas use.
    gives: the quantity that it computes: params, macs, params_ratio, macs_ratio (to the plain convolution),
        speedup, compression (their inverses), one part of the cost such as `macs of routing`, or the
        name of a derived value.
    status: printed (equals our value), corrected (is wrong; `right` is correct), asymptotic (holds in
        a limit; `right` is exact) or open (`right` is the other reading, chosen by an option).
    right: the corrected, exact or other form, in the same letters.
    why: the mistake and the evidence, one or two sentences.
    given: options under which the equation applies, e.g. {"tail": "conv"}; elsewhere it is not applied.
    sizes: sizes that the equation fixes or assumes equal, e.g. {"k": 3, "c_out": "c_in"}; elsewhere it is
        not applied.
    domain: a further condition on the shape, and `domain_text`, the same in words.
    floor: the derived value is the floor of the printed form.
    paper: where it is printed, if not in the operator's own paper.
    """

    number: str
    text: str
    letters: Mapping[str, str]
    gives: str
    status: Status = "printed"
    right: str = ""
    why: str = ""
    given: Mapping[str, object] = _NOTHING
    domain: Callable[[Geometry, Mapping[str, Any]], bool] | None = None
    domain_text: str = ""
    floor: bool = False
    sizes: Mapping[str, Any] = _NOTHING
    paper: Paper | None = None

    @property
    def label(self) -> str:
        """`eq. 8`; where the paper has no number, its description."""
        return f"eq. {self.number}" if self.number[:1].isdigit() else self.number
