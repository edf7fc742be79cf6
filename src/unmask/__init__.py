"""unmask generates the part of a face hidden by a face mask, and compares ways of doing it."""

__version__ = "0.1.0"
