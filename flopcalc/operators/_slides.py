"""The lecture slides that several operators quote."""

from flopcalc.spec.source import Paper

# Neither author nor year is known to us.
SLIDES = Paper(
    key="slides_compact_filters",
    authors=(),
    title="Transferred/Compact Convolutional Filters",
    venue="lecture slides",
    year=None,
)
