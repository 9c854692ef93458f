"""Adobe IMS: ``/ims``."""
