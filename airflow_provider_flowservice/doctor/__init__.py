"""The doctor: what a credential may do in a sandbox, and how the AEP behind it behaves.

It is a command, ``airflow flowservice doctor`` or ``python -m airflow_provider_flowservice.doctor``. Without
``--with-writes`` it sends only reads, and asks for one token.
"""
