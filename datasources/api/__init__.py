"""The API of sources, documents and search."""
