"""Data Prep: ``/data/foundation/conversion``."""
