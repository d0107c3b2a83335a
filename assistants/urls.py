"""Addresses of assistants and conversations: pages below /w/<slug>/, API below /api/v1/workspaces/<slug>/, sockets."""

from typing import Any

from django.urls import path

from assistants.api import routes as api
from assistants.consumers import AnswersConsumer
from assistants.pages import PAGES

urlpatterns: list[Any] = PAGES
api_urlpatterns: list[Any] = api.urlpatterns
sockets: list[Any] = [path("ws/w/<slug:slug>/answers/", AnswersConsumer.as_asgi())]
