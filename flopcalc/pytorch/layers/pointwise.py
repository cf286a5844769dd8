"""A pointwise convolution is torch's own, with a kernel of 1."""

from torch import nn

LAYER = nn.Conv2d
