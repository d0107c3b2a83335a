"""Where GitHub answers: github.com, GitHub Enterprise Cloud with data residency, and servers of a company's own."""

from __future__ import annotations

from urllib.parse import urlsplit


def addresses(base_url: str) -> tuple[str, str, str]:
    """(REST, GraphQL, web) without a slash at their ends; ``base_url`` may be a server's own address or that of its API."""
    root = (base_url or "https://api.github.com").rstrip("/")
    host = urlsplit(root).hostname or ""
    if host == "github.com" or (host.endswith(".ghe.com") and not host.startswith("api.")):
        root = root.replace("://", "://api.", 1)
        host = f"api.{host}"
    if host == "api.github.com" or (host.startswith("api.") and host.endswith(".ghe.com")):
        return root, f"{root}/graphql", root.replace("://api.", "://", 1)
    root = root.removesuffix("/v3").removesuffix("/graphql").removesuffix("/api")
    return f"{root}/api/v3", f"{root}/api/graphql", root
