"""The transposed convolution is that of torch."""

from torch import nn

LAYER = nn.ConvTranspose2d
