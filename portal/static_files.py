"""How static files are collected: hashed, compressed, and without what no page of ours loads."""

from __future__ import annotations

from typing import Any

from django.contrib.staticfiles.apps import StaticFilesConfig
from whitenoise.compress import Compressor
from whitenoise.storage import CompressedManifestStaticFilesStorage


class Collected(StaticFilesConfig):
    """The app django.contrib.staticfiles, which leaves out the browsable API's files and a second API documentation."""

    ignore_patterns = [*StaticFilesConfig.ignore_patterns, "rest_framework", "redoc"]


class Storage(CompressedManifestStaticFilesStorage):
    """Names carry a hash of the content, and files are compressed. (Modules find each other by the import map.)"""

    def create_compressor(self, **kwargs: Any) -> Compressor:
        # Brotli at its best takes a minute of processor time for a few kilobytes; a proxy in front can do it once for all.
        return Compressor(use_brotli=False, **kwargs)
