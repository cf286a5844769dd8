"""A module for TorchScript, which needs a file of its own."""

from torch import nn


class Loop(nn.Module):
    def __init__(self):
        super().__init__()
        self.l = nn.Linear(64, 64)

    def forward(self, x):
        y = self.l(x)
        for i in range(2):  # noqa: B007
            y = self.l(y)
        if y.shape[0] > 5:
            y = self.l(x)
        return y
