"""Structured logs: one line an event, with request and run ids, as text for a terminal or as JSON for a collector."""

from __future__ import annotations

import logging.config
import re
from typing import Any

import structlog

# Belt and braces: adapters never log keys, but a library's debug line might.
_KEY = re.compile(r"(?i)\b(sk-[A-Za-z0-9_-]{8,}|atr_[A-Za-z0-9_-]{8,}|Bearer\s+[A-Za-z0-9._-]{8,})")


def _redact(_logger: Any, _name: str, event: dict[str, Any]) -> dict[str, Any]:
    for key, value in event.items():
        if isinstance(value, str) and ("sk-" in value or "atr_" in value or "earer" in value):
            event[key] = _KEY.sub("[key]", value)
    return event


_SHARED: list[Any] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.stdlib.PositionalArgumentsFormatter(),
    structlog.processors.StackInfoRenderer(),
    structlog.processors.format_exc_info,
    _redact,
]


def formatter(kind: str) -> logging.Formatter:
    """Of our own lines and of libraries'. ``kind``: ``json`` or ``console``."""
    renderer: Any = (
        structlog.processors.JSONRenderer() if kind == "json" else structlog.dev.ConsoleRenderer(colors=False)
    )
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=_SHARED,
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
    )


def configure(options: dict[str, Any]) -> None:
    structlog.configure(
        processors=[*_SHARED, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "formatters": {"structured": {"()": formatter, "kind": options["format"]}},
            "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "structured"}},
            "root": {"handlers": ["stderr"], "level": options["level"]},
            "loggers": {
                "httpx": {"level": "WARNING"},
                "celery": {"level": "WARNING"},
                "uvicorn": {"level": "WARNING"},
                "uvicorn.access": {"level": "WARNING"},
                "kombu.connection": {"level": "ERROR"},
                # What was refused has its line already (see portal/middleware.py); what broke keeps its traceback.
                "django.request": {"level": "ERROR"},
                # It would write the whole path, with what lets one in.
                "django.security.csrf": {"level": "ERROR"},
                "django.channels": {"level": "WARNING"},
            },
        }
    )
