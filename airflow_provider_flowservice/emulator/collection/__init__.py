"""Data Collection: the inlets at ``/collection``."""
