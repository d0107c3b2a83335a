"""Addresses of the gallery: pages below /w/<slug>/, API below /api/v1/workspaces/<slug>/, sockets."""

from typing import Any

from django.urls import path

from gallery import api, views
from gallery import routes_templates as templates

urlpatterns: list[Any] = [path("assistants/", views.assistants, name="assistants"), *templates.PAGES]
api_urlpatterns: list[Any] = [
    path("gallery/", api.Gallery.as_view(), name="gallery"),
    path("favourites/", api.Favourites.as_view(), name="favourites"),
    path("assistants/<slug:handle>/favourite/", api.OneFavourite.as_view(), name="assistant-favourite"),
    path("assistants/<slug:handle>/standing/", api.OneStanding.as_view(), name="assistant-standing"),
    *templates.API,
]
sockets: list[Any] = []
