"""Functions that a forward in training mode calls, seen above the kernels that they become.

Fused attention keeps no scores, and computes them again in the backward pass. Batch norm in training refuses one value
for each channel, which would make most models with it uncountable for one sample.
"""

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from flopcalc.pytorch.counting.dispatch import OnDevice, left_alone
from flopcalc.pytorch.counting.recorder import Recorder
from flopcalc.pytorch.tracing.decomposed import decomposed
from flopcalc.pytorch.training.recorder import GradientRecorder

ONE_VALUE = (
    "torch refuses to train batch norm on one value for each channel, as here; the cost is that of a sample of a "
    "larger batch"
)


class TrainingFunctions(OnDevice):
    """Keeps a forward on the device of the pass, tells the recorder the scores of attention, and runs batch norm."""

    def __init__(self, device: str, recorder: Recorder | None = None) -> None:
        super().__init__(device, recorder)

    @left_alone
    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is functional.batch_norm:
            with self:
                return self._batch_norm(*args, **(kwargs or {}))
        inner = decomposed(func)
        if inner is not None:
            # Functions of torch.nn.functional call attention themselves.
            with self:
                return inner(*args, **(kwargs or {}))
        out = super().__torch_function__(func, types, args, kwargs)
        if func is functional.scaled_dot_product_attention and isinstance(self.recorder, GradientRecorder):
            self.recorder.attends(_scores(*args, **(kwargs or {})), on_meta=out.is_meta)
        return out

    def _batch_norm(
        self,
        input: Tensor,
        running_mean: Tensor | None,
        running_var: Tensor | None,
        weight: Tensor | None = None,
        bias: Tensor | None = None,
        training: bool = False,
        momentum: float = 0.1,
        eps: float = 1e-5,
    ) -> Tensor:
        """As torch's function, without its check of the batch."""
        if training and input.dim() > 1 and input.numel() == input.shape[1] and self.recorder is not None:
            self.recorder.note(ONE_VALUE)
        on = torch.backends.cudnn.enabled
        return torch.batch_norm(input, weight, bias, running_mean, running_var, training, momentum, eps, on)


def _scores(query: Tensor, key: Tensor, value: Tensor, *rest: Any, **named: Any) -> int:
    """The multiply-adds of the scores, of which a fused kernel computes those that need a gradient again."""
    if query.is_nested or not (query.requires_grad or key.requires_grad or value.requires_grad):
        return 0
    return query.numel() * key.shape[-2]
