"""Catalog: ``/data/foundation/catalog``."""
