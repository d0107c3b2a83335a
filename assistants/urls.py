"""Addresses of assistants and conversations: pages below /w/<slug>/, API below /api/v1/workspaces/<slug>/, sockets."""

from typing import Any

from django.urls import path

from assistants.api import routes as api
from assistants.api.governing import WorkspaceInsight, WorkspaceSpending
from assistants.api.insight import AssistantInsight, AssistantSpending
from assistants.consumers import AnswersConsumer
from assistants.pages import PAGES
from assistants.views import insight as insight

urlpatterns: list[Any] = [*PAGES, path("assistants/<slug:handle>/insight/", insight.page, name="assistant_insight")]
api_urlpatterns: list[Any] = [
    *api.urlpatterns,
    path("assistants/<slug:handle>/insight/", AssistantInsight.as_view(), name="assistant-insight"),
    path("assistants/<slug:handle>/spending/", AssistantSpending.as_view(), name="assistant-spending"),
    path("insight/", WorkspaceInsight.as_view(), name="workspace-insight"),
    path("spending/", WorkspaceSpending.as_view(), name="workspace-spending"),
]
sockets: list[Any] = [path("ws/w/<slug:slug>/answers/", AnswersConsumer.as_asgi())]
