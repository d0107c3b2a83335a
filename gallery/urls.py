"""Addresses of the gallery: pages below /w/<slug>/, API below /api/v1/workspaces/<slug>/, sockets."""

from typing import Any

from django.urls import path

from gallery import views

urlpatterns: list[Any] = [path("assistants/", views.assistants, name="assistants")]
api_urlpatterns: list[Any] = []
sockets: list[Any] = []
