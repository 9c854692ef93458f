"""The command ``print-dag``, which writes DAG files for flows that AEP has already."""
