"""Faults that can be put in the way of requests."""
