"""A pointwise convolution is that of torch, with a kernel of 1."""

from torch import nn

LAYER = nn.Conv2d
