"""Governing: the pages of a workspace with 10,000 assistants, 5,000 people and 2,000,000 messages; suggestions; the ranking.

Each page is asked for as a browser does, by an admin and by a member who reads parts, and its queries are counted beside those of
a workspace that has a tenth. ``--share 0.1`` makes all of it a tenth.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import httpx

from bench.product import SIGN_IN, Portal, portal
from bench.report import Part, both, percentile

ASSISTANTS, PEOPLE, MESSAGES = 10_000, 5_000, 2_000_000
SMALL = 0.1
ROUNDS = 30
WARM = 3
PAGE = 24
"""Assistants on a page of the gallery."""
PAGE_MS, TYPING_MS, REFRESH_S = 150, 80, 5
MEMBER = "person1@bench.example"
ADMIN = "admin@example.com"
WORDS = ("invoice refund", "holiday", "how do I reset it", "report for the board", "lo", "a parcel that never came")


@dataclass(frozen=True, slots=True)
class Look:
    """``path`` below the workspace, with what ``THERE`` prints put in. ``goal``: held to one."""

    name: str
    path: str
    who: str = MEMBER
    goal: bool = True


LOOKS = (
    Look("gallery", "assistants/"),
    Look("gallery, as an admin", "assistants/", ADMIN),
    Look("gallery, searched", "assistants/?q=helper"),
    Look("gallery, searched for a common word", "assistants/?q=questions"),
    Look("gallery, searched by meaning", "assistants/?q=who+writes+the+report"),
    Look("gallery, vetted", "assistants/?scope=vetted"),
    Look("gallery, by stage", "assistants/?stage=stable"),
    Look("gallery, by tag", "assistants/?tag={tag}"),
    Look("gallery, by space", "assistants/?space={space}"),
    Look("gallery, by kind of source", "assistants/?kind=upload"),
    Look("gallery, by space, kind and stage", "assistants/?space={space}&kind=upload&stage=beta"),
    Look("gallery, favourites", "assistants/?favourites=1"),
    Look("gallery, made by me", "assistants/?mine=1"),
    Look("gallery, best rated", "assistants/?order=rated"),
    Look("gallery, newest", "assistants/?order=new"),
    Look("gallery, for me", "assistants/?order=you"),
    Look("gallery, page 2", f"assistants/?from={PAGE}"),
    Look("gallery, page 20", f"assistants/?from={19 * PAGE}"),
    Look("gallery, page 2 of for me", f"assistants/?order=you&from={PAGE}"),
    Look("home", "", goal=False),
    Look("page of an assistant", "assistants/{one}/"),
    Look("its versions", "assistants/{one}/versions/", ADMIN),
    Look("two of its versions compared", "assistants/{one}/versions/?old=1&new=2", ADMIN),
    Look("publishing and vetting", "assistants/{one}/publishing/", ADMIN),
    Look("builder", "assistants/{one}/edit/", ADMIN),
    Look("an assistant's use", "assistants/{one}/insight/", ADMIN, goal=False),
    Look("templates", "templates/"),
    Look("templates, searched", "templates/?q=report"),
    Look("templates, of a department", "templates/?department=sales&order=newest"),
    Look("a template", "templates/{template}/"),
    Look("dashboard", "govern/", ADMIN),
    Look("adoption", "govern/adoption/", ADMIN, goal=False),
    Look("vetting queue", "govern/assistants/vettingrequest/", ADMIN, goal=False),
    Look("assistants in the admin", "govern/assistants/assistant/", ADMIN, goal=False),
    Look("people in the admin", "govern/portal/membership/", ADMIN, goal=False),
    Look("audit log", "govern/portal/auditevent/", ADMIN, goal=False),
)

# While the portal is down, as the index has one owner.
COUNT = """
import json, os, sys, django
from portal import postgres
postgres.start()
django.setup()
from django.conf import settings
settings.ALLOWED_HOSTS = ["*"]
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from portal.models import User
found = {}
for path, who in json.loads(sys.argv[1]):
    client = Client()
    client.force_login(User.objects.get(email=who))
    client.get(path)
    with CaptureQueriesContext(connection) as asked:
        answer = client.get(path)
    found[path + " " + who] = [answer.status_code, len(asked)]
print(json.dumps(found), flush=True)
os._exit(0)  # the model's threads are not waited for
"""

RANK = """
import json, time, django
django.setup()
from django.utils import timezone
from assistants.models import Assistant, UseDay
from gallery import standing
from portal.models import Membership, Workspace
here = Workspace.objects.get(slug="demo")
everyone = list(Assistant.objects.filter(workspace=here).values_list("pk", flat=True))
began = time.perf_counter()
standing.refresh(here.pk, only=everyone)
full = time.perf_counter() - began
users = list(Membership.objects.filter(workspace=here).values_list("user", flat=True)[:50])
for number, user in enumerate(users):
    UseDay.objects.get_or_create(workspace=here, assistant_id=everyone[number * 7 % len(everyone)], user_id=user, day=timezone.localdate())
began = time.perf_counter()
done = standing.refresh(here.pk)
print(json.dumps([full, time.perf_counter() - began, done]))
"""

# ``one``: an assistant that is asked a lot; ``space``: a team that the member is in; ``tag``: one that some have.
THERE = """
import json, sys, django
from portal import postgres
postgres.start()
django.setup()
from bench.crowd import most_used
from gallery.models import Template
from portal.models import Space, Workspace
here = Workspace.objects.get(slug="demo")
one = most_used(here.pk)
space = Space.objects.filter(kind="restricted", members__email=sys.argv[1], workspace=here).first()
template = Template.objects.filter(workspace=here).order_by("slug").first()
print(json.dumps({"one": one.handle, "tag": one.live.tags[0], "space": str(space.pk), "template": str(template.pk)}))
"""


def measure(share: float = 1.0) -> Part:
    assistants, people, messages = (round(number * share) for number in (ASSISTANTS, PEOPLE, MESSAGES))
    part = Part(
        "Governing",
        f"A workspace with {assistants:,} assistants, {people:,} people and {messages:,} messages, with their days of use, thumbs, "
        "citations and what they spent; and beside it one with a tenth of that, for the number of queries. Pages over HTTP "
        f"as a browser asks for them, {ROUNDS} times each, p50/p95 in ms.",
        ("what", "p50/p95", "queries", "queries in the small one"),
    )
    small = _counts(SMALL)
    with _filled(assistants, people, messages) as running:
        there, counted = _count(running)
        running.start()
        running.settle()
        for look in LOOKS:
            _pages(part, running, look, there, counted[look.name], small[look.name])
        _typing(part, running)
        _ranks(part, running)
    return part


def _counts(share: float) -> dict[str, tuple[int, int]]:
    with _filled(*(max(10, round(number * share)) for number in (ASSISTANTS, PEOPLE, MESSAGES))) as running:
        return _count(running)[1]


@contextmanager
def _filled(assistants: int, people: int, messages: int) -> Iterator[Portal]:
    """A portal that is down."""
    with portal("bench.instant") as running:
        running.stop()
        began = time.monotonic()
        running.python("-m", "bench.crowd", str(assistants), str(people), str(messages))
        print(f"  filled in {time.monotonic() - began:.0f} s", flush=True)
        yield running


def _count(running: Portal) -> tuple[dict[str, str], dict[str, tuple[int, int]]]:
    """What the addresses name; and of each look, by its name, the status and the number of queries."""
    there = json.loads(running.python("-c", THERE, MEMBER).splitlines()[-1])
    asked = {look.name: (f"/w/demo/{look.path.format(**there)}", look.who) for look in LOOKS}
    found = json.loads(running.python("-c", COUNT, json.dumps(list(asked.values()))).splitlines()[-1])
    return there, {name: tuple(found[f"{path} {who}"]) for name, (path, who) in asked.items()}


def _browser(running: Portal, who: str) -> httpx.Client:
    name, _, value = running.python("-c", SIGN_IN.replace(ADMIN, who)).splitlines()[-1].partition("=")
    return httpx.Client(base_url=running.url, cookies={name: value}, timeout=60)


def _pages(
    part: Part, running: Portal, look: Look, there: dict[str, str], counted: tuple[int, int], small: tuple[int, int]
) -> None:
    path = f"/w/demo/{look.path.format(**there)}"
    with _browser(running, look.who) as browser:
        seconds = [_timed(browser, path) for _ in range(WARM + ROUNDS)][WARM:]
    part.add(look.name, both(seconds), str(counted[1]), str(small[1]))
    if look.goal:
        part.goal(f"{look.name}, p95", 1000 * percentile(seconds, 0.95), PAGE_MS, "ms")
    part.goal(f"{look.name}, queries more than in a small workspace", max(0, counted[1] - small[1]), 1, "")


def _timed(browser: httpx.Client, path: str) -> float:
    began = time.perf_counter()
    answer = browser.get(path)
    seconds = time.perf_counter() - began
    if answer.status_code != 200:
        raise RuntimeError(f"{path} answered {answer.status_code}: {answer.text[:300]}")
    return seconds


def _typing(part: Part, running: Portal) -> None:
    """What is suggested while a question is typed: each time a text that was not there before."""
    with _browser(running, MEMBER) as browser:
        found = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', browser.get("/w/demo/").text)
        if found is None:
            raise RuntimeError("The home page has no form to type into")
        headers = {"X-CSRFToken": found[1], "Referer": f"{running.url}/w/demo/"}
        seconds = [_suggested(browser, headers, f"{WORDS[n % len(WORDS)]} {n}") for n in range(WARM + 2 * ROUNDS)][
            WARM:
        ]
    part.add("suggestion while typing", both(seconds), "", "")
    part.goal("suggestion while typing, p95", 1000 * percentile(seconds, 0.95), TYPING_MS, "ms")


def _suggested(browser: httpx.Client, headers: dict[str, str], text: str) -> float:
    began = time.perf_counter()
    answer = browser.post("/w/demo/ask/fits/", data={"text": text}, headers=headers)
    seconds = time.perf_counter() - began
    if answer.status_code != 200:
        raise RuntimeError(f"Nothing was suggested: {answer.status_code} {answer.text[:300]}")
    return seconds


def _ranks(part: Part, running: Portal) -> None:
    full, some, done = json.loads(running.python("-c", RANK).splitlines()[-1])
    part.add("ranking from scratch", f"{full:.2f} s", "", "")
    part.add(f"ranking after 50 people asked ({done:,} assistants computed)", f"{some:.2f} s", "", "")
    part.goal("ranking from scratch", full, REFRESH_S, "s")
    part.goal("ranking after some use", some, REFRESH_S, "s")
