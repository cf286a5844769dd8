"""A dilated convolution is torch's own."""

from torch import nn

LAYER = nn.Conv2d
