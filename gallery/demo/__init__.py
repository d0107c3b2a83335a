"""A small company to look at: Fernwick, which makes sensors for greenhouses. What it wrote is in deploy/demo.

Everything is made by the same verbs as in real use, some weeks ago: people, spaces, sources, grants, assistants at every stage of
their life, questions and answers. Dates hang on the day on which it is made, and chance on a seed.
"""
