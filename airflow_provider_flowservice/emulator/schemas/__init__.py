"""Schema Registry: ``/data/foundation/schemaregistry``."""
