"""Errors of the comparison: drawn as a tree in the package's docstring."""

from __future__ import annotations


class ShadowError(Exception):
    """Base of what keeps the gate from being made; a gate that was made and failed is a report, not an error."""


class CaseError(ShadowError):
    """The plan asks for requests that cannot be built; the message names the case and the remedy."""


class TargetError(ShadowError):
    """A twin cannot be asked; the message names the instance or the variable, never a secret."""


class StoreError(ShadowError):
    """A record or a file of differences cannot be written; the message names the file and the remedy."""
