"""`flopcalc.training`: the cost of one training step of a network, for Python."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from flopcalc.analysis.training.graph import longest, passes
from flopcalc.cost.cost import Cost, Part, Parts
from flopcalc.cost.kinds import KINDS, HasKinds, check_kind
from flopcalc.errors import FlopcalcError
from flopcalc.networks.inputs import InputLike
from flopcalc.networks.lone import lone
from flopcalc.networks.network import Differentiated, Gradients, Network, size
from flopcalc.networks.progress_bar import Words, following
from flopcalc.networks.training import TrainingOptions, check_patterns, matched
from flopcalc.spec.operator import Evaluation
from flopcalc.targets.call import refuse_on_result
from flopcalc.targets.read import Target, read_target
from flopcalc.targets.spec import as_flag, as_texts, from_python

# All layers are trained, and none is computed twice.
PLAIN = TrainingOptions()


@dataclass(frozen=True, eq=False, repr=False)
class Training(HasKinds):
    """The cost of one training step: the forward and the backward pass, without the optimizer.

    forward: the network in training mode. backward: the same layers with the cost of their backward pass, which has no
    parameters. recomputed: MACs of the backward pass that run a part of the forward pass again, for checkpoints and,
    if asked for, for fused attention. scores: the MACs of attention scores that a fused attention kernel computes
    again, whether they are counted or not. frozen: layers with parameters that are not trained. gradients: for each
    layer the MACs of its backward pass by what they compute: `.inputs`, `.weights` and `.again` add up to them. first:
    the input needs no gradient.
    """

    forward: Network
    backward: Network
    options: TrainingOptions
    recomputed: int
    scores: int
    frozen: tuple[str, ...]
    gradients: tuple[Gradients, ...]
    first: bool = True

    def __repr__(self) -> str:
        """A short text: name, cost and input."""
        least = "at least " if self.forward.uncounted or self.backward.uncounted else ""
        forward, backward = self.forward.macs, self.backward.macs
        where = f"input {size(self.forward.input_shape)}, batch {self.forward.batch}"
        return f"<Training of {self.forward.name}: {least}{forward:,} MACs forward, {backward:,} backward, {where}>"

    def total(self, kind: str) -> int:
        """The total of both passes. Raises FlopcalcError (unknown-kind)."""
        check_kind(kind)
        return self.forward.total(kind) + self.backward.total(kind)

    @property
    def input_gradient_macs(self) -> int:
        """MACs of gradients of tensors that depend on the input of the network: those that layers pass on."""
        return sum(one.inputs for one in self.gradients)

    @property
    def weight_gradient_macs(self) -> int:
        """MACs of gradients of parameters, and of tensors that are computed from parameters alone."""
        return sum(one.weights for one in self.gradients)

    @cached_property
    def network(self) -> Network:
        """Both passes as one network, with the sums of both for each layer."""
        pairs = zip(self.forward.layers, self.backward.layers, strict=True)
        return replace(
            self.forward,
            title=f"{self.forward.title} | training step",
            layers=tuple(one._replace(cost=one.cost + other.cost) for one, other in pairs),
            counted_steps=self.total("steps"),
            uncounted=(*self.forward.uncounted, *self.backward.uncounted),
            remarks=self.remarks,
            replay=None,
        )

    @property
    def remarks(self) -> tuple[str, ...]:
        """What a reader of the numbers must know."""
        return (*self.forward.remarks, *self.backward.remarks, *_remarks(self))

    def to_dict(self) -> dict[str, Any]:
        """The totals of both passes, of the forward pass and of the backward pass."""
        return {
            **{kind: self.total(kind) for kind in KINDS},
            "forward": totals(self.forward),
            "backward": {**totals(self.backward), **shares(self)},
            "frozen": list(self.frozen),
            "notes": list(self.remarks),
        }

    def to_rows(self) -> list[dict[str, Any]]:
        """One row for each layer: its name, its type, the MACs of the passes, and what those of the backward are."""
        return [
            {
                "layer": one.name,
                "type": one.kind,
                "forward": one.cost.macs,
                "backward": other.cost.macs,
                "input_gradient": gradients.inputs,
                "weight_gradient": gradients.weights,
                "recomputed": gradients.again,
            }
            for one, other, gradients in zip(self.forward.layers, self.backward.layers, self.gradients, strict=True)
        ]


def shares(found: Training) -> dict[str, int]:
    """What the MACs of the backward pass are; they add up to them."""
    return {
        "input_gradient_macs": found.input_gradient_macs,
        "weight_gradient_macs": found.weight_gradient_macs,
        "recomputed": found.recomputed,
    }


def totals(network: Network) -> dict[str, int]:
    """All kinds of cost of a network."""
    return {kind: network.total(kind) for kind in KINDS}


def training(
    what: Any,
    *,
    input: InputLike | Sequence[InputLike] | None = None,
    batch: int = 1,
    freeze: str | Iterable[str] = (),
    checkpoint: str | Iterable[str] = (),
    fused: bool = False,
    replace: str | Iterable[str] = (),
    where: str | None = None,
    keep: str | Iterable[str] = (),
    set: Mapping[str, Any] | None = None,
    arg: Mapping[str, Any] | None = None,
    method: str | None = None,
    first: bool | None = None,
) -> Training:
    """The cost of one training step, as `flopcalc model --mode training` shows it.

    what: a target as in `flopcalc model`, a `Network`, an nn.Module or a function that builds one, with `input`, its
    shapes without the batch; or an operator on a shape, as `flopcalc.layer` gives it. freeze: patterns of layers, or of
    modules with all below them, whose parameters are not trained; parameters of a module with requires_grad=False are
    not trained either. checkpoint: patterns of modules whose forward pass is run again in the backward pass. fused:
    whether attention is one kernel that computes its scores again. first: whether the input needs no gradient; so by
    default for networks, and not for an operator, which is taken as a layer between others. Raises FlopcalcError:
    unknown-layer for a pattern that matches nothing, and as `flopcalc.network`.

    >>> from flopcalc import training
    >>> step = training("resnet50")
    >>> step.forward.macs, step.backward.macs
    (4089184256, 8060354560)
    >>> training("resnet50", freeze=["conv1", "bn1", "layer*"]).backward.macs
    2048000
    >>> from flopcalc import layer
    >>> step = training(layer("ghost", 64, hw=28))
    >>> step.forward.macs, step.input_gradient_macs, step.weight_gradient_macs
    (14676480, 14676480, 14676480)
    """
    options = TrainingOptions(
        as_texts(freeze, "freeze", "conv1"), as_texts(checkpoint, "checkpoint", "layer1"), as_flag(fused, "fused")
    )
    if isinstance(what, Network | Evaluation):
        of_target = {"input": input, "replace": replace, "where": where, "keep": keep, "set": set, "arg": arg}
        refuse_on_result(what, batch, {**of_target, "method": method})
    is_first = None if first is None else as_flag(first, "first")
    if isinstance(what, Evaluation):
        return operator_training(what, options, first=bool(is_first))
    if is_first is False:
        why = "first=False is for an operator: the input of a network needs no gradient"
        raise FlopcalcError("bad-option", why, "leave it out, or give the result of flopcalc.layer")
    if isinstance(what, Network):
        return network_training(what, options)
    spec = from_python(
        what, input, batch=batch, replace=replace, where=where, keep=keep, set=set, arg=arg, method=method
    )
    with following(Words(spec.shown)):
        return network_training(read_target(spec).network, options)


def network_training(network: Network, options: TrainingOptions) -> Training:
    """The training step of a network: of a module by running its backward pass, of a description by its graph.

    Raises FlopcalcError: unknown-layer for a pattern that matches nothing, not-differentiable where the backward pass
    of a module fails.
    """
    names = [*(layer.name for layer in network.layers), *network.modules]
    check_patterns("--freeze", options.freeze, names)
    check_patterns("--checkpoint", options.checkpoint, names)
    if network.replay is not None:
        run = network.replay.differentiated(options.freeze)
        # What is known of the module, apart from what the pass in inference has left out.
        remarks = [one for one in network.remarks if "not used in this pass" not in one]
        forward = replace(
            run.forward,
            name=network.name,
            title=network.title,
            remarks=tuple(dict.fromkeys((*remarks, *run.forward.remarks))),
        )
        return _of_passes(run._replace(forward=forward), options)
    return graph_training(network, options)


def operator_training(e: Evaluation, options: TrainingOptions = PLAIN, *, first: bool = False) -> Training:
    """The training step of one operator on a shape. first: its input needs no gradient.

    Raises FlopcalcError (unknown-layer) for a pattern that is not the operator's name.
    """
    return network_training(lone(e), options) if first else _checked(lone(e), options, first=False)


def step_cost(found: Training) -> Cost:
    """Both passes of an operator as one cost: the backward pass begins when the forward pass has ended."""
    forward, backward = (Cost(network.layers[0].cost.parts) for network in (found.forward, found.backward))
    parts = list(backward)
    if parts:
        parts[0] = parts[0]._replace(after=tuple(part.name for part in forward) or None)
    return Cost((*forward, *parts))


def baseline_step(e: Evaluation, *, first: bool = False) -> Cost:
    """Both passes of the plain convolution that an operator is compared with."""
    return step_cost(graph_training(lone(e, e.baseline), PLAIN, first=first))


def _checked(network: Network, options: TrainingOptions, *, first: bool) -> Training:
    names = [layer.name for layer in network.layers]
    check_patterns("--freeze", options.freeze, names)
    check_patterns("--checkpoint", options.checkpoint, names)
    return graph_training(network, options, first=first)


def graph_training(network: Network, options: TrainingOptions, *, first: bool = True) -> Training:
    """The training step of any network by its graph, on numbers or on symbolic sizes. first: as of `passes`."""
    found = passes(network, options.freeze, first=first)
    forward = _with(network, found.forward, network.counted_steps)
    steps = longest(network, found.backward)
    run = Differentiated(forward, found.backward, steps, found.scores, found.reached, found.gradients)
    return _of_passes(run, options, first=first)


def training_target(target: Target, options: TrainingOptions) -> Target:
    """A target whose networks have the costs of both passes."""
    plain = network_training(target.plain, options).network
    if target.replacement is None:
        return Target(plain, None)
    changed = network_training(target.replacement.network, options).network
    return Target(plain, target.replacement._replace(network=changed))


def _of_passes(run: Differentiated, options: TrainingOptions, *, first: bool = True) -> Training:
    """The record of two passes, with what is computed twice."""
    forward = run.forward
    backwards: list[Parts] = []
    gradients: list[Gradients] = []
    segments = {matched(layer.name, options.checkpoint) for layer in forward.layers} - {""}
    # A segment in which nothing wants a gradient keeps nothing, and is not run again.
    wanted = {
        matched(layer.name, options.checkpoint)
        for layer, reached in zip(forward.layers, run.reached, strict=True)
        if reached
    } & segments
    for layer, parts, scores, own in zip(forward.layers, run.backward, run.scores, run.gradients, strict=True):
        again: Parts = ()
        if matched(layer.name, options.checkpoint) in wanted:
            again = tuple(
                part._replace(name=f"{part.name}.again", params=0, after=None, call="", extra=())
                for part in layer.cost.parts
            )
        if options.fused and (type(scores) is not int or scores):
            again = (*again, Part("scores.again", "matmul", macs=scores, steps=0))
        # A module can have checkpoints of its own.
        gradients.append(own._replace(again=own.again + sum(part.macs for part in again)))
        backwards.append((*again, *parts))
    more = sum(scores for scores in run.scores)
    steps = run.steps
    if wanted:
        # The kernels of the segments run once more, at most one after the other.
        steps = longest(forward, backwards)
    backward = replace(_with(forward, backwards, steps), uncounted=run.uncounted, remarks=run.remarks, replay=None)
    frozen = tuple(
        layer.name for layer in forward.layers if matched(layer.name, options.freeze) and _has_params(layer.cost)
    )
    recomputed = sum(one.again for one in gradients)
    return Training(forward, backward, options, recomputed, more, frozen, tuple(gradients), first)


def _has_params(cost: Cost) -> bool:
    """Whether it has parameters; a symbolic number of them is some."""
    return any(type(part.params) is not int or part.params for part in cost)


def _with(network: Network, parts: Sequence[Parts], steps: int | None) -> Network:
    """The network with other parts in its layers."""
    costs: dict[int, Cost] = {}
    layers = []
    for layer, own in zip(network.layers, parts, strict=True):
        # Layers of the same sizes go on sharing their cost.
        cost = costs.get(id(own)) or costs.setdefault(id(own), Cost(own))
        layers.append(layer._replace(cost=cost))
    return replace(network, layers=tuple(layers), counted_steps=steps)


def _remarks(found: Training) -> Iterable[str]:
    yield "the optimizer is not counted: its cost depends on the parameters only"
    if not found.first:
        yield "the input needs a gradient, as that of a layer between others; --first leaves it out"
    if found.frozen:
        yield f"not trained: {_listed(found.frozen)}"
    again = found.recomputed - (found.scores if found.options.fused else 0)
    if type(again) is int and (found.options.checkpoint or again):
        yield f"{again:,} MACs of the backward pass run checkpointed layers again"
    scores = found.scores
    if type(scores) is int and scores and not found.options.fused:
        yield (
            f"a fused attention kernel computes its scores again in the backward pass, {scores:,} MACs more; "
            "--fused counts them"
        )


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
