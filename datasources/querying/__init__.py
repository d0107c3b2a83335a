"""SQL of people and models, run over a few tables in a process of its own. Plain Python; see datasources/tables.py."""
