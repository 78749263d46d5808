"""Locust, imported into a test's own process: first, and without its patch of the standard library.

The patch would reach every other test of the process. The variable is Locust's own.
"""

from __future__ import annotations

import os

os.environ["LOCUST_SKIP_MONKEY_PATCH"] = "1"
try:
    import locust
finally:
    del os.environ["LOCUST_SKIP_MONKEY_PATCH"]

__all__ = ["locust"]
