"""The API of assistants and conversations."""
