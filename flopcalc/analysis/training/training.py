"""`flopcalc.training`: the cost of one training step of a network, for Python."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from flopcalc.analysis.training.graph import longest, passes
from flopcalc.cost.cost import Cost, Part, Parts
from flopcalc.cost.kinds import KINDS, HasKinds, check_kind
from flopcalc.networks.inputs import InputLike
from flopcalc.networks.network import Differentiated, Network, size
from flopcalc.networks.progress_bar import Words, following
from flopcalc.networks.training import TrainingOptions, check_patterns, matched
from flopcalc.targets.read import Target, read_target
from flopcalc.targets.spec import as_texts, from_python


@dataclass(frozen=True, eq=False, repr=False)
class Training(HasKinds):
    """The cost of one training step: the forward and the backward pass, without the optimizer.

    forward: the network in training mode. backward: the same layers with the cost of their backward pass, which has no
    parameters. recomputed: MACs of the backward pass that run a part of the forward pass again, for checkpoints and,
    if asked for, for fused attention. scores: the MACs of attention scores that a fused attention kernel computes
    again, whether they are counted or not. frozen: layers with parameters that are not trained.
    """

    forward: Network
    backward: Network
    options: TrainingOptions
    recomputed: int
    scores: int
    frozen: tuple[str, ...]

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
            "backward": {**totals(self.backward), "recomputed": self.recomputed},
            "frozen": list(self.frozen),
            "notes": list(self.remarks),
        }

    def to_rows(self) -> list[dict[str, Any]]:
        """One row for each layer: its name, its type, and the MACs of the passes."""
        return [
            {"layer": one.name, "type": one.kind, "forward": one.cost.macs, "backward": other.cost.macs}
            for one, other in zip(self.forward.layers, self.backward.layers, strict=True)
        ]


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
) -> Training:
    """The cost of one training step, as `flopcalc model --mode training` shows it.

    what: a target as in `flopcalc model`, a `Network`, an nn.Module or a function that builds one, with `input`, its
    shapes without the batch. freeze: patterns of layers, or of modules with all below them, whose parameters are not
    trained; parameters of a module with requires_grad=False are not trained either. checkpoint: patterns of modules
    whose forward pass is run again in the backward pass. fused: whether attention is one kernel that computes its
    scores again. Raises FlopcalcError: unknown-layer for a pattern that matches nothing, and as `flopcalc.network`.

    >>> from flopcalc import training
    >>> step = training("resnet50")
    >>> step.forward.macs, step.backward.macs
    (4089184256, 8060354560)
    >>> training("resnet50", freeze=["conv1", "bn1", "layer*"]).backward.macs
    2048000
    """
    options = TrainingOptions(as_texts(freeze), as_texts(checkpoint), bool(fused))
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
    if network.replay is not None and network.replay.differentiated is not None:
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


def graph_training(network: Network, options: TrainingOptions) -> Training:
    """The training step of any network by its graph, on numbers or on symbolic sizes."""
    found = passes(network, options.freeze)
    forward = _with(network, found.forward, network.counted_steps)
    steps = longest(network, found.backward)
    run = Differentiated(forward, found.backward, steps, found.scores, found.reached)
    return _of_passes(run, options)


def training_target(target: Target, options: TrainingOptions) -> Target:
    """A target whose networks have the costs of both passes."""
    plain = network_training(target.plain, options).network
    if target.replacement is None:
        return Target(plain, None)
    changed = network_training(target.replacement.network, options).network
    return Target(plain, target.replacement._replace(network=changed))


def _of_passes(run: Differentiated, options: TrainingOptions) -> Training:
    """The record of two passes, with what is computed twice."""
    forward = run.forward
    backwards: list[Parts] = []
    recomputed: Any = 0
    segments = {matched(layer.name, options.checkpoint) for layer in forward.layers} - {""}
    # A segment in which nothing wants a gradient keeps nothing, and is not run again.
    wanted = {
        matched(layer.name, options.checkpoint)
        for layer, reached in zip(forward.layers, run.reached, strict=True)
        if reached
    } & segments
    for layer, parts, scores in zip(forward.layers, run.backward, run.scores, strict=True):
        again: Parts = ()
        if matched(layer.name, options.checkpoint) in wanted:
            again = tuple(
                part._replace(name=f"{part.name}.again", params=0, after=None, call="", extra=())
                for part in layer.cost.parts
            )
        if options.fused and (type(scores) is not int or scores):
            again = (*again, Part("scores.again", "matmul", macs=scores, steps=0))
        recomputed = recomputed + sum(part.macs for part in again)
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
    return Training(forward, backward, options, recomputed, more, frozen)


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
    if found.frozen:
        yield f"not trained: {_listed(found.frozen)}"
    if found.options.checkpoint and type(found.recomputed) is int:
        yield f"{found.recomputed:,} MACs of the backward pass run checkpointed layers again"
    scores = found.scores
    if type(scores) is int and scores and not found.options.fused:
        yield (
            f"a fused attention kernel computes its scores again in the backward pass, {scores:,} MACs more; "
            "--fused counts them"
        )


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
