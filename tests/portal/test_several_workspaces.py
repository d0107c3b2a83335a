"""People in several workspaces, and what the size of an installation decides."""

from __future__ import annotations

import json
import re
import subprocess
import sys

from tests import factories
from tests.services.stack import ROOT, clean_environment


def switcher(client, slug: str) -> list[tuple[str, str, bool]]:
    """Address, name, and whether it is where one is."""
    html = client.get(f"/w/{slug}/").content.decode()
    menu = re.search(r'id="workspaces".*?</div>\s*<div class="menu" popover id="person"', html, re.DOTALL)
    assert menu is not None
    items = re.findall(
        r'<a class="menu-item" href="([^"]+)"([^>]*)>.*?<span class="clip">([^<]+)</span>', menu[0], re.DOTALL
    )
    return [(address, name, "aria-current" in rest) for address, rest, name in items]


def test_one_goes_between_the_workspaces_that_one_is_in(cast, client):
    umbra = cast.outsider.workspace
    factories.member(umbra, person=cast.member.user)
    client.force_login(cast.member.user)
    assert switcher(client, "acme") == [("/w/acme/", "Acme", True), ("/w/umbra/", "Umbra", False)]
    assert [here for _, _, here in switcher(client, "umbra")] == [False, True]


def test_of_other_workspaces_one_learns_nothing(cast, client):
    client.force_login(cast.member.user)
    assert [name for _, name, _ in switcher(client, "acme")] == ["Acme"]
    assert client.get("/w/umbra/").status_code == 404
    # As of one that does not exist.
    assert client.get("/w/nowhere/").status_code == 404


def test_private_hosts_are_open_to_the_machine_itself_in_the_small_size_alone():
    def allowed(**environment: str) -> list[str]:
        code = "import json; from portal import settings; print(json.dumps(list(settings.PRIVATE_HOSTS)))"
        command = [sys.executable, "-c", code]
        done = subprocess.run(
            command, cwd=ROOT, env=clean_environment(**environment), capture_output=True, text=True, check=True
        )
        return json.loads(done.stdout)

    elsewhere = {
        "ATRIUM_PROFILE": "services",
        "DATABASE_URL": "postgresql://127.0.0.1/a",
        "REDIS_URL": "redis://127.0.0.1/0",
        "CELERY_BROKER_URL": "redis://127.0.0.1/1",
        "QDRANT_URL": "http://127.0.0.1:6333",
    }
    assert allowed() == ["localhost", "127.0.0.0/8", "::1"]
    assert allowed(ATRIUM_PRIVATE_HOSTS="10.0.0.0/8") == ["10.0.0.0/8"]
    assert allowed(**elsewhere) == []
