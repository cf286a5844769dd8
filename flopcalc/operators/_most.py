"""The most that options may be, far beyond any network: a slip of the keyboard is refused, not counted for minutes."""

# Taps of a kernel along an axis.
MOST_TAPS = 255
# Channels over the channels before, maps from one map, a window of pooling.
MOST_TIMES = 4096
# Kernels, experts or stages of one layer.
MOST_COPIES = 1024
