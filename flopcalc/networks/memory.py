"""What following the tensors of a module gives, as plain data."""

from typing import NamedTuple

from flopcalc.networks.dataflow import Dataflow, Peak


class Followed(NamedTuple):
    """The tensors of one pass, in bytes. Sizes are exact, and in blocks of 512 bytes where the name says so.

    weights, buffers, given: parameters, buffers and inputs. trained: parameters that get gradients. blocks: of weights,
    buffers and inputs. trained_blocks: of the parameters that get gradients. forward: the peak of the forward, without
    weights, buffers and inputs.
    whole: the peak of the pass, forward and backward, in blocks, with the gradients. flow: of inference.
    saved: tensors that autograd keeps for the backward, without weights, buffers and inputs; saved_all: with these.
    with_workspace: the peak in blocks where each convolution has the workspace that is estimated for it. allocated: the
    peak in the blocks that the caching allocator gives out once its cache has those of earlier passes; of training.
    on: the device that it ran on. dtype: of the parameters.
    """

    weights: int
    buffers: int
    given: int
    trained: int
    blocks: int
    trained_blocks: int
    forward: Peak
    whole: Peak
    flow: Dataflow | None
    saved: int
    saved_all: int
    with_workspace: int
    allocated: int
    on: str
    dtype: str
    inputs: tuple[str, ...]
    notes: tuple[str, ...]
