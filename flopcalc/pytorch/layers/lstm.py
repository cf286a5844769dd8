"""The LSTM is that of torch, on a row of tokens."""

from typing import Any

from torch import Tensor, nn

from flopcalc.spec.operator import Evaluation


class TokenLSTM(nn.Module):
    """nn.LSTM on channels x 1 x steps: a view of the input and of the output, nothing else."""

    def __init__(self, input_size: int, hidden_size: int, **options: Any) -> None:
        super().__init__()
        self.lstm = nn.LSTM(input_size, hidden_size, **options)

    def forward(self, x: Tensor) -> Tensor:
        """(n, c_in, 1, steps) -> (n, channels, 1, steps)."""
        out: Tensor = self.lstm(x.squeeze(2).permute(2, 0, 1))[0]
        return out.permute(1, 2, 0).unsqueeze(2)


LAYER = TokenLSTM


def build(evaluation: Evaluation, **factory: Any) -> nn.Module:
    """The LSTM of the evaluation's sizes."""
    g, named = evaluation.geometry, evaluation.named
    return TokenLSTM(
        g.c_in,
        g.c_out,
        num_layers=named["num_layers"],
        bias=named["bias"],
        bidirectional=named["bidirectional"],
        proj_size=named["proj_size"] or 0,
        **factory,
    )
