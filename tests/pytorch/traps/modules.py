"""Modules that fool cost counters, each with the right answer worked out by hand.

`right` counts multiply-adds of products only (convolutions, linear layers, matrix products, attention), dense: nothing
for a bias, norm, activation, softmax, pooling, look-up or FFT. Inputs are real tensors on the CPU.
"""

import torch
from torch import nn


class _Fn(nn.Module):
    def __init__(self, fn, children):
        super().__init__()
        self.fn = fn
        for name, child in children.items():
            setattr(self, name, child)


class _Fn1(_Fn):  # Explicit signatures, for those who read them.
    def forward(self, x):
        return self.fn(self, x)


class _Fn2(_Fn):
    def forward(self, x, y):
        return self.fn(self, x, y)


class _Fn3(_Fn):
    def forward(self, q, k, v):
        return self.fn(self, q, k, v)


def Fn(fn, **children):
    """A module whose forward is the given function of (self, inputs...)."""
    return (_Fn1, _Fn2, _Fn3)[fn.__code__.co_argcount - 2](fn, children)


def P(*shape):
    return nn.Parameter(torch.randn(*shape) * 0.1)


def X(*shape):
    return torch.randn(*shape)


def IMG(n=1):
    return X(n, 3, 32, 32)


# 3 -> 16, 3x3, padding 1, on 32x32; and its parameters.
CONV = 32 * 32 * 16 * 3 * 9
CP = 16 * 3 * 9 + 16


def conv():
    return nn.Conv2d(3, 16, 3, padding=1)
