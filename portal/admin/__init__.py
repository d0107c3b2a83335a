"""The Django admin: each class declares what it shows and which verbs it offers."""

from portal.admin import adoption, credentials, overview, people, platform, record, spending

__all__ = ["adoption", "credentials", "overview", "people", "platform", "record", "spending"]
