"""What each function does, in sizes."""
from typing import Any
RULES: dict[Any, Any] = {}
