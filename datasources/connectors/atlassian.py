"""What Atlassian's places share: the sign-in of their cloud."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from datasources.connectors.about import OAuth


def is_cloud(address: str) -> bool:
    """Whether it is a site of Atlassian's cloud, such as https://acme.atlassian.net."""
    return (urlsplit(address).hostname or "").endswith((".atlassian.net", ".atlassian.com", ".jira.com"))


@dataclass(frozen=True, slots=True)
class AtlassianOAuth(OAuth):
    """A site of Atlassian's cloud (acme.atlassian.net) gives no consent itself: that is always at auth.atlassian.com."""

    def at(self, base_url: str) -> tuple[str, str]:
        if not base_url or is_cloud(base_url):
            return self.authorize_url, self.token_url
        root = base_url.rstrip("/")
        return root + urlsplit(self.authorize_url).path, root + urlsplit(self.token_url).path
