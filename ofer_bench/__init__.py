"""Benchmark and evaluation suite for occluded facial expression recognition."""

__version__ = "0.1.0"
