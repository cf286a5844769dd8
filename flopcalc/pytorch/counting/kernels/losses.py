"""Losses that are more than a function of each element: CTC, and cross entropy with the last layer in one kernel."""

from collections.abc import Sequence

from torch import Tensor

from flopcalc.pytorch.counting.kernels.work import Answer, Kernel, Work, has_values


def _lengths(kernel: Kernel, name: str, longest: int, samples: int) -> list[int]:
    """The lengths of all samples; where they cannot be read, the longest that fits."""
    given: Tensor | Sequence[int] = kernel.argument(name)
    if not isinstance(given, Tensor):
        return list(given)
    return [int(length) for length in given.reshape(-1).tolist()] if has_values(given) else [longest] * samples


def _paths(kernel: Kernel, alphas: Tensor | None) -> tuple[list[int], int]:
    """The lengths of the inputs, and the states of all samples and all positions after the first.

    A target of s labels has 2 s + 1 states: with blanks between them and around them. alphas: a tensor with an axis
    of the states of the longest target.
    """
    probabilities, targets = kernel.argument("log_probs"), kernel.argument("targets")
    # One sample may come without an axis of samples.
    positions, samples = probabilities.shape[0], probabilities.shape[1] if probabilities.dim() > 2 else 1
    longest = (alphas.shape[-1] - 1) // 2 if alphas is not None else targets.shape[-1]
    inputs = _lengths(kernel, "input_lengths", positions, samples)
    labels = _lengths(kernel, "target_lengths", longest, samples)
    return inputs, sum(max(t - 1, 0) * (2 * s + 1) for t, s in zip(inputs, labels, strict=True))


def ctc(kernel: Kernel) -> Answer:
    """Each state is the log of a sum of three exponentials, times a probability; the loss of a sample, one of two.

    That is 3 adds and 4 other, and an add; 2 adds and 3 other.
    """
    inputs, states = _paths(kernel, kernel.out[1])
    samples = len(inputs)
    return Work(
        adds=4 * states + 2 * samples, other=4 * states + 3 * samples, reads=kernel.reads, writes=kernel.written
    )


def _ctc_gradient(kernel: Kernel, inputs: list[int], states: int) -> Work:
    elements = sum(inputs) * kernel.argument("log_probs").shape[-1]
    return Work(adds=7 * states + 3 * elements, muls=elements, other=7 * states + 2 * elements)


def ctc_backward(kernel: Kernel) -> Answer:
    """The same sums from the end, joined with those from the start; then a difference of two exponentials.

    A state has 4 adds and 4 other as before, a sum, and the log of a sum of two exponentials (2 adds, 3 other). Each
    probability has two exponentials, three adds and a product with the gradient.
    """
    work = _ctc_gradient(kernel, *_paths(kernel, kernel.argument("log_alpha")))
    return work._replace(reads=kernel.reads, writes=kernel.written)


def ctc_with_gradient(kernel: Kernel) -> Answer:
    """The kernels of cuDNN and MIOpen, which give the gradient as well."""
    inputs, states = _paths(kernel, None)
    gradient, samples = _ctc_gradient(kernel, inputs, states), len(inputs)
    return gradient._replace(
        adds=gradient.adds + 4 * states + 2 * samples,
        other=gradient.other + 4 * states + 3 * samples,
        reads=kernel.reads,
        writes=kernel.written,
    )


def linear_cross_entropy(kernel: Kernel) -> Answer:
    """A linear layer, the logarithm of softmax and a picked loss, in pieces; the same as their kernels one by one.

    Where a gradient will be asked for, it is computed here: a product for each logit and a division for each row;
    of the input and of the weight a product of matrices, and the row of the target, with its weight, added; of the
    bias a sum.
    """
    x, classes = kernel.argument("input"), kernel.argument("linear_weight").shape[0]
    rows, inner = x.shape[0], x.shape[-1]
    logits, size = rows * classes, x.numel()
    reduced = kernel.argument("reduction", "none") != "none"
    biased = logits if kernel.argument("linear_bias") is not None else 0
    weighted = rows if kernel.argument("weight") is not None else 0
    wanted = [kernel.argument(f"compute_{name}_grad", False) for name in ("input", "linear_weight", "linear_bias")]
    matrices = sum(wanted[:2])
    scaled, divided = (logits, rows) if any(wanted) else (0, 0)
    written = (size if wanted[0] else 0) + (classes * inner if wanted[1] else 0)
    return Work(
        (1 + matrices) * size * classes,
        biased + logits + (rows if reduced else 0) + matrices * size + (logits + rows if wanted[2] else 0),
        weighted + scaled + matrices * size,
        2 * logits + rows + divided,
        logits + written,
        kernel.reads,
        kernel.written,
    )


RULES = {
    ctc: "aten::_ctc_loss",
    ctc_backward: "aten::_ctc_loss_backward",
    ctc_with_gradient: "aten::_cudnn_ctc_loss aten::miopen_ctc_loss",
    linear_cross_entropy: (
        "torch_nn::_linear_cross_entropy_batch_chunked torch_nn::_linear_cross_entropy_batch_chunked_no_reduction"
    ),
}

KINDS = {linear_cross_entropy: "linear"}
