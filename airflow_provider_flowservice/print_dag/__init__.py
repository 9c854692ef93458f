"""The command ``print-dag``, which writes DAG files for existing flows."""
