"""The Mamba block as a module, in the recurrent form."""

from collections import OrderedDict
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from flopcalc.pytorch.layers._blocks import Add
from flopcalc.spec.operator import Evaluation


class PadBefore(nn.Module):
    """Zeros before the first token, so that a convolution sees no later tokens."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self.count = count

    def forward(self, x: Tensor) -> Tensor:
        """(n, c, tokens) -> (n, c, tokens + count)."""
        return functional.pad(x, (self.count, 0))


class Decay(nn.Module):
    """The logarithm of the share of the state that each step keeps."""

    def forward(self, steps: Tensor, rates: Tensor) -> Tensor:
        """(n, c, tokens), (c, state) -> (n, c, state, tokens)."""
        return steps[:, :, None] * rates[..., None]


class Exp(nn.Module):
    """The exponential."""

    def forward(self, x: Tensor) -> Tensor:
        """Unchanged in shape."""
        return torch.exp(x)


class Drive(nn.Module):
    """What each step adds to the state."""

    def forward(self, x: Tensor, steps: Tensor, into: Tensor) -> Tensor:
        """(n, c, tokens) twice, (n, state, tokens) -> (n, c, state, tokens)."""
        return (steps * x)[:, :, None] * into[:, None]


class Keep(nn.Module):
    """The share of the state that a step keeps."""

    def forward(self, state: Tensor, decay: Tensor) -> Tensor:
        """(n, c, state) twice -> the same."""
        return decay * state


class Output(nn.Module):
    """The output of one step."""

    def forward(self, state: Tensor, out_of: Tensor) -> Tensor:
        """(n, c, state), (n, state) -> (n, c, 1)."""
        return torch.bmm(state, out_of[..., None])


class Join(nn.Module):
    """The outputs of all steps."""

    def forward(self, outputs: list[Tensor]) -> Tensor:
        """(n, c, 1) each -> (n, c, tokens)."""
        return torch.cat(outputs, dim=2)


class Scan(nn.Module):
    """The selective scan, step by step; the rates begin as in S4D (-1, -2, ...)."""

    def __init__(self, channels: int, state: int, **factory: Any) -> None:
        super().__init__()
        rates = torch.arange(1, state + 1, **factory).expand(channels, -1)
        self.log_rates = nn.Parameter(torch.log(rates).clone(memory_format=torch.contiguous_format))
        self.decay, self.exp, self.drive = Decay(), Exp(), Drive()
        self.keep, self.add = Keep(), Add()
        self.output, self.join = Output(), Join()

    def forward(self, x: Tensor, steps: Tensor, into: Tensor, out_of: Tensor) -> Tensor:
        """(n, c, tokens) twice, (n, state, tokens) twice -> (n, c, tokens)."""
        decay = self.exp(self.decay(steps, -torch.exp(self.log_rates)))
        drive = self.drive(x, steps, into)
        state = torch.zeros(drive.shape[:3], dtype=x.dtype, device=x.device)
        outputs = []
        for token in range(x.shape[2]):
            state = self.add(self.keep(state, decay[..., token]), drive[..., token])
            outputs.append(self.output(state, out_of[..., token]))
        out: Tensor = self.join(outputs)
        return out


class Share(nn.Module):
    """A trained share of each channel of the scan's input."""

    def __init__(self, channels: int, **factory: Any) -> None:
        super().__init__()
        self.share = nn.Parameter(torch.ones(channels, 1, **factory))

    def forward(self, x: Tensor) -> Tensor:
        """(n, c, tokens), unchanged in shape."""
        return x * self.share


class Gate(nn.Module):
    """The output times an activation of the other branch."""

    def __init__(self) -> None:
        super().__init__()
        self.act = nn.SiLU()

    def forward(self, y: Tensor, gate: Tensor) -> Tensor:
        """(n, c, tokens) twice -> the same."""
        out: Tensor = y * self.act(gate)
        return out


class MambaBlock(nn.Module):
    """The block of Gu and Dao 2024 on rows of tokens, channels x 1 x tokens; without norm and residual sum."""

    def __init__(self, evaluation: Evaluation, **factory: Any) -> None:
        super().__init__()
        g, named = evaluation.geometry, evaluation.named
        inner, state, rank, taps = (named[name] for name in ("inner", "state", "rank", "taps"))
        self.sizes = (rank, state, state)
        self.in_proj = nn.Conv1d(g.c_in, 2 * inner, 1, bias=named["bias"], **factory)
        self.conv = nn.Sequential(
            OrderedDict(
                pad=PadBefore(taps - 1), conv=nn.Conv1d(inner, inner, taps, groups=inner, **factory), act=nn.SiLU()
            )
        )
        self.x_proj = nn.Conv1d(inner, rank + 2 * state, 1, bias=False, **factory)
        self.dt_proj = nn.Sequential(OrderedDict(conv=nn.Conv1d(rank, inner, 1, **factory), act=nn.Softplus()))
        self.scan, self.gate = Scan(inner, state, **factory), Gate()
        self.share, self.skip = Share(inner, **factory), Add()
        self.out_proj = nn.Conv1d(inner, g.c_out, 1, bias=named["bias"], **factory)

    def forward(self, x: Tensor) -> Tensor:
        """(n, c, 1, tokens) -> (n, c, 1, tokens)."""
        values, gate = self.in_proj(x.squeeze(2)).chunk(2, dim=1)
        values = self.conv(values)
        step, into, out_of = self.x_proj(values).split(self.sizes, dim=1)
        scanned = self.skip(self.scan(values, self.dt_proj(step), into, out_of), self.share(values))
        out: Tensor = self.out_proj(self.gate(scanned, gate))
        return out.unsqueeze(2)


LAYER = MambaBlock


def build(evaluation: Evaluation, **factory: Any) -> nn.Module:
    """The block of the evaluation's sizes."""
    return MambaBlock(evaluation, **factory)
