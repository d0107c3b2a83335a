"""Streaming: added time to first token and tokens/s over the portal's socket, saved, against the vendor called directly.

Vendor, client and portal share the machine; the vendor is a process of its own that speaks OpenAI's wire format.
``python -m bench.streaming --conversations 50 [--tokens 200] [--delay 0.005] [--knowledge]`` runs just one shape.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import uvloop
from msgspec.json import decode

from bench.product import Portal, portal
from bench.report import Part, both, percentile
from tests.vendors.server import in_a_process

SOCKET = "/ws/w/demo/answers/"
QUESTION = "How do I connect a folder?"
LIMITS = {(1, False): 20, (50, False): 80, (100, False): 250, (1, True): 60, (10, True): 200}
"""Milliseconds that the portal may add to the first token (p95), by conversations at once and whether it searches."""
SETUP = """
import sys, django
django.setup()
from assistants.lifecycle import create_assistant
from portal.credentials import create_credential
from portal.models import User, Workspace
workspace = Workspace.objects.get(slug="demo")
admin = User.objects.get(email="admin@example.com")
credential = create_credential(workspace=workspace, by=admin, kind="openai_compatible", base_url=sys.argv[1], name="Bench")
for handle, knowledge in (("plain", []), ("reading", None)):
    create_assistant(workspace=workspace, by=admin, handle=handle, credential=credential, model="bench", knowledge=knowledge)
"""


@dataclass(frozen=True, slots=True)
class Shape:
    """What the vendor sends: ``tokens`` with ``delay`` seconds between, the first after ``first_delay``."""

    tokens: int = 200
    delay: float = 0.005
    first_delay: float = 0.05


@dataclass
class Measured:
    """Seconds from asking to the first token, one each; and what came in all."""

    first: list[float] = field(default_factory=list)
    tokens: int = 0
    seconds: float = 0.0

    @property
    def rate(self) -> float:
        return self.tokens / self.seconds

    def check(self, text: str, tokens: int) -> None:
        """Every token, in order, once."""
        if text.split() != [f"token{i}" for i in range(tokens)]:
            raise RuntimeError(f"An answer did not come whole; it ends: {text[-60:]!r}")
        self.tokens += tokens


One = Callable[[Measured], Awaitable[None]]


async def many(conversations: int, one: One, spread: float) -> Measured:
    """``one`` for each conversation, the starts spread evenly over ``spread`` seconds."""
    measured = Measured()
    began = time.perf_counter()

    async def start(number: int) -> None:
        await asyncio.sleep(spread * number / conversations)
        await one(measured)

    await asyncio.gather(*(start(n) for n in range(conversations)))
    measured.seconds = time.perf_counter() - began
    return measured


class Direct:
    """A bare client of the vendor."""

    def __init__(self, url: str, shape: Shape) -> None:
        self._url, self._shape = f"{url}/chat/completions", shape
        self._session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))

    async def one(self, measured: Measured) -> None:
        body = {"model": "bench", "stream": True, "messages": [{"role": "user", "content": "Tell me."}]}
        asked = time.perf_counter()
        parts: list[str] = []
        async with self._session.post(self._url, json=body) as response:
            async for line in response.content:
                if line.startswith(b"data: {"):
                    choices = decode(line[6:])["choices"]
                    text = choices[0]["delta"].get("content") if choices else ""
                    if text:
                        if not parts:
                            measured.first.append(time.perf_counter() - asked)
                        parts.append(text)
        measured.check("".join(parts), self._shape.tokens)

    async def close(self) -> None:
        await self._session.close()


class Through:
    """People with a page open each, whose questions and answers are saved."""

    def __init__(self, portal: Portal, cookie: str, handle: str, shape: Shape) -> None:
        self._url, self._handle, self._shape = f"{portal.url}{SOCKET}", handle, shape
        headers = {"Cookie": cookie, "Origin": portal.url}
        self._session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), headers=headers)
        self._free: list[aiohttp.ClientWebSocketResponse] = []

    async def open(self, pages: int) -> None:
        self._free += [await self._session.ws_connect(self._url) for _ in range(pages)]

    async def one(self, measured: Measured) -> None:
        page = self._free.pop()
        asked = time.perf_counter()
        parts: list[str] = []
        await page.send_str(json.dumps({"ask": QUESTION, "assistant": self._handle}))
        async for message in page:
            frame: dict[str, Any] = decode(message.data)
            if frame.get("type") == "token":
                if not parts:
                    measured.first.append(time.perf_counter() - asked)
                parts.append(frame["data"]["text"])
            elif frame.get("type") == "completed":
                break
            elif frame.get("type") in ("error", "stopped") or "refused" in frame:
                raise RuntimeError(f"The portal did not answer: {frame}")
        measured.check("".join(parts), self._shape.tokens)
        self._free.append(page)

    async def close(self) -> None:
        await asyncio.gather(*(page.close() for page in self._free))
        await self._session.close()


async def compare(
    vendor: str,
    portal: Portal,
    cookie: str,
    knowledge: bool,
    conversations: int,
    spread: float,
    shape: Shape,
    rounds: int,
) -> tuple[Measured, Measured]:
    """The vendor directly and through the portal, in turn, ``rounds`` times."""
    direct = Direct(vendor, shape)
    through = Through(portal, cookie, "reading" if knowledge else "plain", shape)
    await through.open(conversations)
    # Connections, and what is made once.
    await many(conversations, direct.one, 0)
    await many(min(conversations, 4), through.one, 0)
    bare, ours = [], []
    for _ in range(rounds):
        bare.append(await many(conversations, direct.one, spread))
        ours.append(await many(conversations, through.one, spread))
    await direct.close()
    await through.close()
    return together(bare), together(ours)


def together(runs: Sequence[Measured]) -> Measured:
    return Measured(
        [first for run in runs for first in run.first],
        int(statistics.median(run.tokens for run in runs)),
        statistics.median(run.seconds for run in runs),
    )


def measure(
    conversations: Sequence[int] = (1, 10, 50, 100),
    knowledge: Sequence[bool] = (False, True),
    shape: Shape | None = None,
    rounds: int = 3,
) -> Part:
    shape = shape or Shape()
    part = Part(
        "Streaming",
        f"{shape.tokens} tokens, {1000 * shape.delay:.0f} ms apart, the first after {1000 * shape.first_delay:.0f} ms; over the "
        "socket, with question, answer and events saved, against a bare client of the same vendor. Starts spread over a "
        "second, then all at once. First token: p50/p95 in ms.",
        (
            "conversations",
            "vendor directly",
            "through the portal",
            "added",
            "vendor tokens/s",
            "portal tokens/s",
            "share",
        ),
    )
    wire = {"tokens": shape.tokens, "delay": shape.delay, "first_delay": shape.first_delay}
    with in_a_process("tests.vendors.openai", **wire) as vendor, portal() as running:  # type: ignore[arg-type]
        running.python("-c", SETUP, vendor)
        cookie = running.cookie()
        for searches in knowledge:
            for number in conversations:
                for spread in (1.0, 0.0) if number > 1 else (0.0,):
                    times = rounds if number > 1 else 40
                    pair = asyncio.run(compare(vendor, running, cookie, searches, number, spread, shape, times))
                    _tell(part, number, searches, spread, *pair)
    return part


def _tell(part: Part, number: int, searches: bool, spread: float, bare: Measured, ours: Measured) -> None:
    added = [1000 * (percentile(ours.first, share) - percentile(bare.first, share)) for share in (0.5, 0.95)]
    share = ours.rate / bare.rate
    name = f"{number}{', searching' if searches else ''}{', over a second' if spread else ''}"
    part.add(
        name, both(bare.first), both(ours.first), f"{added[0]:+.0f}/{added[1]:+.0f}", f"{bare.rate:,.0f}", f"{ours.rate:,.0f}", f"{share:.0%}"
    )  # fmt: skip
    limit = LIMITS.get((number, searches))
    if limit is not None and (spread or number == 1):
        part.goal(f"added time to first token, {name}, p95", added[1], limit, "ms")
    if number == 50 and not searches and not spread:
        part.goal("tokens/s at 50 conversations, share of the bare client's", share, 0.85, "%", below=False)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--conversations", type=lambda t: [int(n) for n in t.split(",")], default=[1, 10, 50, 100])
    parser.add_argument("--tokens", type=int, default=200)
    parser.add_argument("--delay", type=float, default=0.005)
    parser.add_argument("--first-delay", type=float, default=0.05)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--knowledge", action="store_true", help="search before answering")
    options = parser.parse_args()
    shape = Shape(options.tokens, options.delay, options.first_delay)
    uvloop.install()
    print(measure(options.conversations, (options.knowledge,), shape, options.rounds).markdown())


if __name__ == "__main__":
    main()
