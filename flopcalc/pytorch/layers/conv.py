"""The plain convolution is that of torch."""

from torch import nn

LAYER = nn.Conv2d
