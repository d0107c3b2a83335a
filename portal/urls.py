"""Every address of the product. Apps bring theirs; only this file knows all of them."""

from django.urls import include, path, re_path

from assistants import urls as assistants
from datasources import urls as datasources
from gallery import urls as gallery
from portal import routes as ground
from portal.api.schema import Docs, Schema
from portal.views import unknown_api

urlpatterns = [
    path("accounts/", include("allauth.urls")),
    *ground.urlpatterns,
    *datasources.public_urlpatterns,
    path(
        "w/<slug:slug>/",
        include(
            [*assistants.urlpatterns, *datasources.urlpatterns, *gallery.urlpatterns, *ground.workspace_urlpatterns]
        ),
    ),
    path(
        "api/v1/workspaces/<slug:slug>/",
        include(
            (
                [
                    *ground.api_urlpatterns,
                    *datasources.api_urlpatterns,
                    *assistants.api_urlpatterns,
                    *gallery.api_urlpatterns,
                ],
                "api",
            )
        ),
    ),
    path("api/schema/", Schema.as_view(), name="api-schema"),
    path("api/docs/", Docs.as_view(), name="api-docs"),
    re_path(r"^api/", unknown_api),
]

# Sockets; each app's patterns begin with ws/w/<slug>/.
websocket_urlpatterns = [*assistants.sockets, *datasources.sockets]

handler400 = "portal.views.bad_request"
handler403 = "portal.views.forbidden"
handler404 = "portal.views.not_found"
handler500 = "portal.views.server_error"
