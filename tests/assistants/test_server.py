"""The real server: uvicorn, a signed-in session, a WebSocket over TCP."""

import asyncio
import contextlib
import json
import socket

import pytest
import uvicorn
from asgiref.sync import sync_to_async
from django.conf import settings
from django.test import Client
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from assistants.models import Message
from assistants.runs import runner
from portal.registry import registries
from tests.assistants.asking import model
from tests.vendors.server import Script

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("runs")]


@pytest.fixture
async def server(monkeypatch):
    """The address of the product itself, served on this loop; of the warm-ups, only ours."""
    from portal import asgi

    monkeypatch.setattr(asgi, "claim_data", lambda: None)
    for kept in (registries.warm_ups, registries.shut_downs):
        monkeypatch.setattr(kept, "_entries", {"answers": kept._entries["answers"]})
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    config = uvicorn.Config(asgi.application, port=port, lifespan="on", log_config=None, access_log=False)
    running = uvicorn.Server(config)
    monkeypatch.setattr(running, "capture_signals", contextlib.nullcontext)
    task = asyncio.ensure_future(running.serve())
    while not running.started:
        await asyncio.sleep(0.02)
    yield f"127.0.0.1:{port}"
    running.should_exit = True
    await task


def cookie_of(user):
    client = Client()
    client.force_login(user)
    return f"{settings.SESSION_COOKIE_NAME}={client.cookies[settings.SESSION_COOKIE_NAME].value}"


async def test_a_question_over_a_real_socket_and_its_rest_over_http(cast, vendor, handbook, server):
    await sync_to_async(model)(cast.workspace, vendor.base_url)
    vendor.script = Script(tokens=100, delay=0.01)
    cookie = await sync_to_async(cookie_of)(cast.member.user)
    headers = {"Cookie": cookie, "Origin": f"http://{server}"}

    text, seen = "", 0
    async with connect(f"ws://{server}/ws/w/acme/answers/", additional_headers=headers) as page:
        await page.send(json.dumps({"ask": "How many days?"}))
        asked = json.loads(await page.recv())["asked"]
        while seen < 10:
            frame = json.loads(await page.recv())
            seen = frame["seq"]
            text += frame["data"]["text"] if frame["type"] == "token" else ""

    async with connect(f"ws://{server}/ws/w/acme/answers/", additional_headers=headers) as page:
        await page.send(json.dumps({"follow": asked["answer"], "after": seen}))
        async for raw in page:
            frame = json.loads(raw)
            text += frame["data"]["text"] if frame["type"] == "token" else ""
            if frame["type"] == "completed":
                break

    assert text == "".join(f"token{n} " for n in range(100))
    stored = await Message.objects.aget(pk=asked["answer"])
    assert (stored.status, stored.content) == ("completed", text)
    assert runner.find(stored.pk) is None


async def test_a_page_of_another_origin_gets_no_socket(cast, server):
    cookie = await sync_to_async(cookie_of)(cast.member.user)
    with pytest.raises(InvalidStatus):
        async with connect(
            f"ws://{server}/ws/w/acme/answers/",
            additional_headers={"Cookie": cookie, "Origin": "https://evil.example"},
        ):
            pass


async def test_nobody_gets_no_socket(cast, server):
    with pytest.raises(InvalidStatus):
        async with connect(f"ws://{server}/ws/w/acme/answers/", additional_headers={"Origin": f"http://{server}"}):
            pass
