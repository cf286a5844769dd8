"""Small modules on which counters are wrong, each with its right figure worked out by hand."""

from typing import NamedTuple


class Case(NamedTuple):
    """A module on which a tool is wrong.

    module: Python that makes `module`, with torch, nn and F imported. inputs: Python, a tuple of tensors. working: how
    the right figure comes about.
    """

    what: str
    module: str
    inputs: str
    working: str


def _function(expression: str, shape: str, more: str = "") -> str:
    """A module with a parameter of a shape, whose forward is an expression of x and self.weight."""
    return (
        "class Model(nn.Module):\n"
        "    def __init__(self):\n"
        "        super().__init__()\n"
        f"        self.weight = nn.Parameter(torch.ones({shape}))\n\n"
        f"    def forward(self, x{more}):\n"
        f"        return {expression}\n\n"
        "module = Model()"
    )


def _case(what: str, module: str, shapes: str, working: str) -> Case:
    inputs = ", ".join(f"torch.ones({shape.strip().replace('x', ', ')})" for shape in shapes.split(","))
    return Case(what, module if "\n" in module else f"module = {module}", f"({inputs},)", working)


_RECURRENT = """\
class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.recurrent = {}

    def forward(self, x):
        return self.recurrent(x)[0]

module = Model()"""
_PACKED = """\
class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.recurrent = nn.LSTM(4, 8, bias=False, batch_first=True)

    def forward(self, x):
        packed = nn.utils.rnn.pack_padded_sequence(x, [5, 2], batch_first=True)
        return self.recurrent(packed)[0].data

module = Model()"""
_SHARED = """\
class Model(nn.Module):
    def __init__(self):
        super().__init__()
        shared = nn.Linear(4, 4, bias=False)
        self.first, self.second = nn.Sequential(shared), nn.Sequential(shared)

    def forward(self, x):
        return self.second(self.first(x))

module = Model()"""
_ATTENTION = """\
class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.attention = {}

    def forward(self, q, k, v):
        return self.attention(q, k, v, need_weights={})[0]

module = Model()"""
_SUBCLASS = """\
class Conv(nn.Conv2d):
    pass

module = Conv(4, 8, 3, padding=1, bias=False)"""


def _self_attention(options: str, weights: bool) -> str:
    text = _ATTENTION.format(f"nn.MultiheadAttention(8, 2, {options}batch_first=True)", weights)
    return text.replace("(self, q, k, v)", "(self, x)").replace("(q, k, v,", "(x, x, x,")


def _projected(working: str) -> Case:
    module = _RECURRENT.format("nn.LSTM(4, 8, bias=False, batch_first=True, proj_size=3)")
    return _case("nn.LSTM with proj_size", module, "1x5x4", working)


_CONVOLVED = "8 x 8 positions x 9 weights x 4 channels x 8 channels"
_PRODUCT = "5 rows x 4 x 3"
CASES = {
    "transposed": _case(
        "transposed convolution",
        "nn.ConvTranspose2d(4, 8, 2, stride=2, bias=False)",
        "1x4x3x3",
        "3 x 3 positions of the input x 4 channels x 4 weights x 8 channels",
    ),
    "transposed bias": _case(
        "bias of a transposed convolution",
        "nn.ConvTranspose2d(4, 8, 2, stride=2)",
        "1x4x3x3",
        "2 x 1,152 MACs and an addition for each of 8 x 6 x 6 outputs",
    ),
    "transposed depthwise": _case(
        "depthwise transposed convolution",
        "nn.ConvTranspose2d(4, 4, 2, stride=2, groups=4, bias=False)",
        "1x4x3x3",
        "3 x 3 positions of the input x 4 channels x 4 weights",
    ),
    "same": _case("padding='same'", "nn.Conv2d(4, 8, 3, padding='same', bias=False)", "1x4x8x8", _CONVOLVED),
    "same even": _case(
        "padding='same' with an even kernel",
        "nn.Conv2d(4, 8, 2, padding='same', bias=False)",
        "1x4x8x8",
        "8 x 8 positions x 4 weights x 4 channels x 8 channels",
    ),
    "unbatched": _case(
        "convolution of an input without a batch",
        "nn.Conv2d(4, 8, 3, padding=1, bias=False)",
        "4x8x8",
        _CONVOLVED,
    ),
    "subclass": _case("subclass of nn.Conv2d", _SUBCLASS, "1x4x8x8", _CONVOLVED),
    "F.conv2d": _case(
        "convolution by function",
        _function("F.conv2d(x, self.weight, padding=1)", "8, 4, 3, 3"),
        "1x4x8x8",
        _CONVOLVED,
    ),
    "grouped backward": _case(
        "backward pass of a grouped convolution",
        "nn.Conv2d(4, 4, 3, padding=1, groups=4, bias=False)",
        "1x4x8x8",
        "2 x 2,304 MACs forward, and as many for the gradient of the weights",
    ),
    "tokens": _case("linear layer for several tokens", "nn.Linear(4, 3, bias=False)", "1x5x4", "5 tokens x 4 x 3"),
    "vector": _case("linear layer for one vector", "nn.Linear(4, 3, bias=False)", "4", "4 x 3"),
    "bias": _case("bias of a linear layer", "nn.Linear(4, 3)", "5x4", "2 x 60 MACs and 15 additions"),
    "linear on meta": _case("linear layer on the meta device", "nn.Linear(4, 3)", "5x4", _PRODUCT),
    "weight_norm": _case(
        "linear layer with weight_norm",
        "nn.utils.parametrizations.weight_norm(nn.Linear(4, 3, bias=False))",
        "5x4",
        _PRODUCT,
    ),
    "shared": _case("one layer in two containers", _SHARED, "1x4", "2 calls x 4 x 4"),
    "F.linear": _case("linear layer by function", _function("F.linear(x, self.weight)", "3, 4"), "1x5x4", _PRODUCT),
    "@": _case("product by the operator `@`", _function("x @ self.weight", "4, 3"), "1x5x4", _PRODUCT),
    "mm": _case("torch.mm", _function("torch.mm(x, self.weight)", "4, 3"), "5x4", _PRODUCT),
    "bmm": _case("torch.bmm", _function("torch.bmm(x, self.weight)", "1, 4, 3"), "1x5x4", _PRODUCT),
    "addmm": _case(
        "torch.addmm with a bias",
        _function("torch.addmm(self.weight[0], x, self.weight)", "4, 3"),
        "5x4",
        f"{_PRODUCT} MACs, and an addition for each of 5 x 3 outputs",
    ),
    "baddbmm": _case(
        "torch.baddbmm", _function("torch.baddbmm(self.weight, x, x.mT)", "1, 5, 5"), "1x5x4", "5 rows x 4 x 5"
    ),
    "tensordot": _case("torch.tensordot", _function("torch.tensordot(x, self.weight, 1)", "4, 3"), "5x4", _PRODUCT),
    "addbmm": _case(
        "torch.addbmm",
        _function("torch.addbmm(self.weight[0, 0], x, self.weight)", "2, 4, 3"),
        "2x5x4",
        "2 matrices x 5 rows x 4 x 3",
    ),
    "matrix times vector": _case(
        "matrix times vector", _function("torch.matmul(x, self.weight)", "4"), "5x4", "5 rows x 4"
    ),
    "broadcast product": _case(
        "matrix times a batch of matrices",
        _function("torch.matmul(x, self.weight)", "7, 4, 3"),
        "5x4",
        "7 matrices x 5 rows x 4 x 3",
    ),
    "batch": _case(
        "torch.matmul for a batch of 2",
        _function("torch.matmul(x, self.weight)", "4, 3"),
        "2x5x4",
        "the figure is that of one image: 5 rows x 4 x 3",
    ),
    "einsum": _case("einsum", _function("torch.einsum('ij,jk->ik', x, self.weight)", "4, 3"), "5x4", _PRODUCT),
    "einsum ellipsis": _case(
        "einsum with an ellipsis",
        _function("torch.einsum('...ij,...jk->...ik', x, self.weight)", "1, 4, 3"),
        "1x5x4",
        _PRODUCT,
    ),
    "einsum large": _case(
        "einsum of large matrices",
        _function("torch.einsum('ij,jk->ik', x, self.weight)", "103, 107"),
        "101x103",
        "101 rows x 103 x 107",
    ),
    "einsum transpose": _case(
        "einsum that only transposes",
        _function("torch.einsum('bij->bji', x)", "1"),
        "1x6x4",
        "it multiplies nothing",
    ),
    "einsum of three": _case(
        "einsum of three matrices",
        _function("torch.einsum('ij,jk,kl->il', x, self.weight, self.weight.mT)", "4, 3"),
        "5x4",
        "5 x 4 x 3, and 5 x 3 x 4",
    ),
    "mul": _case("product by the operator `*`", _function("x * self.weight", "4"), "1x3x4", "3 x 4 elements"),
    "mul broadcast": _case(
        "torch.mul that broadcasts", _function("torch.mul(x, self.weight)", "4"), "1x3x4", "3 x 4 elements"
    ),
    "attention": _case(
        "scaled_dot_product_attention",
        _function("F.scaled_dot_product_attention(x, y, y)", "1", ", y"),
        "1x2x5x4, 1x2x7x4",
        "2 heads x 5 queries x 7 keys x 4, twice",
    ),
    "self-attention": _case(
        "nn.MultiheadAttention",
        _self_attention("bias=False, ", True),
        "1x5x8",
        "4 projections of 5 x 8 x 8, and 2 products of 5 x 5 x 8",
    ),
    "self-attention twice": _case(
        "nn.MultiheadAttention",
        _self_attention("", True),
        "1x5x8",
        "40 for the scale, 4 projections of 5 x 8 x 8, 160 for biases, 2 products of 5 x 5 x 8, 50 for the softmax",
    ),
    "self-attention without bias": _case(
        "nn.MultiheadAttention without bias",
        _self_attention("bias=False, ", False),
        "1x5x8",
        "40 for the scale, 4 projections of 5 x 8 x 8, 2 products of 5 x 5 x 8, 50 for the softmax",
    ),
    "attention sizes": _case(
        "nn.MultiheadAttention with smaller keys",
        _ATTENTION.format("nn.MultiheadAttention(8, 2, kdim=4, vdim=4, batch_first=True)", False),
        "1x5x8, 1x5x4, 1x5x4",
        "40 for the scale, 2 projections of 5 x 8 x 8, 2 of 5 x 4 x 8, 160 for biases, 2 products of 5 x 5 x 8, 50 for "
        "the softmax",
    ),
    "lstm": _case(
        "nn.LSTM",
        _RECURRENT.format("nn.LSTM(4, 8, bias=False, batch_first=True)"),
        "1x5x4",
        "5 steps x 4 gates x (4 x 8 + 8 x 8)",
    ),
    "steps first": _case(
        "nn.LSTM with the steps first",
        _RECURRENT.format("nn.LSTM(4, 8, bias=False)"),
        "5x2x4",
        "5 steps x (4 gates x (4 x 8 + 8 x 8) + 10 x 8 element-wise), for one of the 2 sequences",
    ),
    "packed": _case(
        "nn.LSTM on sequences of 5 and 2 steps",
        _PACKED,
        "2x5x4",
        "7 steps x 4 gates x (4 x 8 + 8 x 8)",
    ),
    "packed, element-wise too": _case(
        "nn.LSTM on sequences of 5 and 2 steps",
        _PACKED,
        "2x5x4",
        "7 steps x (4 gates x (4 x 8 + 8 x 8 + 8) + 4 x 8 element-wise)",
    ),
    "lstm cell": _case(
        "nn.LSTMCell",
        _RECURRENT.format("nn.LSTMCell(4, 8, bias=False)"),
        "1x4",
        "4 gates x (4 x 8 + 8 x 8)",
    ),
    "gru": _case(
        "nn.GRU",
        _RECURRENT.format("nn.GRU(4, 8, bias=False, batch_first=True)"),
        "1x5x4",
        "5 steps x 3 gates x (4 x 8 + 8 x 8)",
    ),
    "projected lstm": _projected("5 steps x (4 gates x (4 x 8 + 3 x 8) + 8 x 3 for the projection)"),
    "projected lstm, 4 element-wise": _projected(
        "5 steps x (4 gates x (4 x 8 + 3 x 8 + 8) + 8 x 3 + 4 x 8 element-wise)"
    ),
    "projected lstm, 10 element-wise": _projected(
        "5 steps x (4 gates x (4 x 8 + 3 x 8) + 8 x 3 + 10 x 8 element-wise)"
    ),
    "relu": _case("nn.ReLU", "nn.ReLU()", "1x6x4", "6 x 4 elements"),
    "layernorm": _case(
        "nn.LayerNorm", "nn.LayerNorm(4)", "1x6x4", "2 for each of 6 x 4 elements, as for nn.BatchNorm1d"
    ),
    "batchnorm": _case(
        "nn.BatchNorm2d", "nn.BatchNorm2d(4)", "1x4x8x8", "8 parameters x 8 x 8 positions, as for a convolution"
    ),
    "maxpool": _case("nn.MaxPool2d", "nn.MaxPool2d(2)", "1x4x4x4", "4 x 4 x 4 elements of the input"),
    "avgpool": _case(
        "nn.AvgPool2d",
        "nn.AvgPool2d(2)",
        "1x4x4x4",
        "4 additions and a division for each of 4 x 2 x 2 outputs, as for nn.AdaptiveAvgPool2d(2)",
    ),
    "overlapping windows": _case(
        "pooling with overlapping windows",
        "nn.Sequential(nn.AvgPool2d(3, stride=1), nn.PReLU())",
        "1x4x8x8",
        "9 for each of 4 x 6 x 6 outputs, and 144 for the activation",
    ),
    "uneven windows": _case(
        "adaptive pooling with uneven windows",
        "nn.AdaptiveAvgPool2d(3)",
        "1x1x5x5",
        "windows of 2, 3 and 2: 7 x 7 additions, and 9 divisions",
    ),
    "upsample": _case("nn.Upsample", "nn.Upsample(scale_factor=2)", "1x4x4x4", "4 x 8 x 8 outputs"),
    "trilinear": _case(
        "nn.Upsample, trilinear",
        "nn.Upsample(scale_factor=2, mode='trilinear')",
        "1x4x4x4x4",
        "31 for each of 4 x 8 x 8 x 8 outputs, by the tool's own formula",
    ),
    "interpolate": _case(
        "F.interpolate by a factor",
        _function("F.interpolate(x, scale_factor=2)", "1"),
        "1x4x4x4",
        "4 x 8 x 8 outputs",
    ),
    "interpolate size": _case(
        "F.interpolate to a size", _function("F.interpolate(x, size=(8, 8))", "1"), "1x4x4x4", "4 x 8 x 8 outputs"
    ),
    "nearest sampling": _case(
        "grid_sample with mode='nearest'",
        _function("F.grid_sample(x, grid, mode='nearest', align_corners=False)", "1", ", grid"),
        "1x4x4x4, 1x3x3x2",
        "it multiplies nothing",
    ),
    "embedding": _case("nn.Embedding", "nn.Embedding(10, 4)", "1x5", "it looks rows up")._replace(
        inputs="(torch.zeros(1, 5, dtype=torch.long),)"
    ),
    "complex": _case(
        "linear layer of complex numbers",
        "nn.Linear(4, 3, bias=False, dtype=torch.complex64)",
        "5x4",
        "8 real operations for each of 5 x 4 x 3",
    )._replace(inputs="(torch.ones(5, 4, dtype=torch.complex64),)"),
    "timm attention": _case(
        "attention of timm",
        "from timm.models.vision_transformer import Attention\nmodule = Attention(8, num_heads=2)",
        "1x5x8",
        "40 for the scale, 4 projections of 5 x 8 x 8, 40 for a bias, 2 products of 5 x 5 x 8, 50 for the softmax",
    ),
}
