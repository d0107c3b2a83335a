"""The Django admin: each class declares what it shows and which verbs it offers."""

from portal.admin import credentials, overview, people, platform, record

__all__ = ["credentials", "overview", "people", "platform", "record"]
