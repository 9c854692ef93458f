"""Segmentation: ``/data/core/ups``, and the profiles that segments select."""
