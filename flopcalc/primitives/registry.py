"""All primitives by name."""

from flopcalc.primitives.activation import ACTIVATION
from flopcalc.primitives.join import JOIN
from flopcalc.primitives.local_response_norm import LOCAL_RESPONSE_NORM
from flopcalc.primitives.mixed_conv import MIXED_CONV
from flopcalc.primitives.movement import MOVEMENT
from flopcalc.primitives.normalization import NORMALIZATION
from flopcalc.primitives.pooling import POOLING
from flopcalc.primitives.record import Primitive
from flopcalc.primitives.roi_align import ROI_ALIGN
from flopcalc.primitives.token_products import TOKEN_PRODUCTS
from flopcalc.primitives.tokens import TOKENS

PRIMITIVES: dict[str, Primitive] = {
    one.name: one
    for one in (
        *(*NORMALIZATION, *ACTIVATION, *POOLING, *JOIN, *MOVEMENT, *TOKENS, *TOKEN_PRODUCTS),
        *(LOCAL_RESPONSE_NORM, MIXED_CONV, ROI_ALIGN),
    )
}
