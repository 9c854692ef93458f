"""Apache Airflow provider for Adobe Experience Platform's Flow Service."""

__version__ = "0.1.0"
