"""Adobe Experience Platform on your own machine, for people who write DAGs and have no sandbox to spare.

It serves the APIs that this provider calls, keeps its state in memory, and can be told to fail.
Start it with ``flowservice-emulator``, or inside a test with
:class:`airflow_provider_flowservice.emulator.server.EmulatorServer`.

It shares no code with the provider's client, so that each can catch the other's mistakes.
"""
