"""The transposed convolution is torch's own."""

from torch import nn

LAYER = nn.ConvTranspose2d
