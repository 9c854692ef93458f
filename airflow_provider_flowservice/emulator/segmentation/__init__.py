"""Segmentation: ``/data/core/ups``."""
