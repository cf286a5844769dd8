"""What a cost is: kinds, parts, shapes, arithmetic, and the conventions that fold it into one number."""
