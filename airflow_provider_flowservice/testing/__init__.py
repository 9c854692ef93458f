"""Test kit for DAGs: the pytest fixtures ``flowservice_emulator`` and ``flowservice_clock``.

pytest loads :mod:`airflow_provider_flowservice.testing.plugin` in every run, so this module imports nothing.
"""
