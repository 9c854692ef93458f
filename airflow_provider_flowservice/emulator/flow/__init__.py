"""Flow Service: ``/data/foundation/flowservice``."""
