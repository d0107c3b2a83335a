"""Addresses of the gallery: pages below /w/<slug>/, API below /api/v1/workspaces/<slug>/, sockets."""

from typing import Any

from django.urls import path

from gallery import api, views

urlpatterns: list[Any] = [path("assistants/", views.assistants, name="assistants")]
api_urlpatterns: list[Any] = [
    path("gallery/", api.Gallery.as_view(), name="gallery"),
    path("favourites/", api.Favourites.as_view(), name="favourites"),
    path("assistants/<slug:handle>/favourite/", api.OneFavourite.as_view(), name="assistant-favourite"),
    path("assistants/<slug:handle>/standing/", api.OneStanding.as_view(), name="assistant-standing"),
]
sockets: list[Any] = []
