"""Addresses of sources, documents and search: pages below /w/<slug>/, API below /api/v1/workspaces/<slug>/, sockets."""

from typing import Any

from django.urls import path

from datasources import (
    views,
    views_choose,
    views_connect,
    views_document,
    views_governing,
    views_hooks,
    views_settings,
    views_source,
    views_tables,
    views_tree,
)
from datasources.api import routes as api

urlpatterns: list[Any] = [
    path("data/", views.data, name="data"),
    path("data/new/", views_connect.data_new, name="data_new"),
    path("data/new/<slug:kind>/test/", views_connect.data_test, name="data_test"),
    path("data/tags/", views_tree.tags, name="data_tags"),
    path("data/oauth/", views_connect.data_oauth, name="data_oauth"),
    path("data/<uuid:pk>/connect/", views_connect.data_connect, name="data_connect"),
    path("data/<uuid:pk>/connect/test/", views_connect.data_connect_test, name="data_connect_test"),
    path("data/<uuid:pk>/connect/sign-in/", views_connect.data_sign_in, name="data_sign_in"),
    path("data/<uuid:pk>/files/", views_choose.data_files, name="data_files"),
    path("data/<uuid:pk>/choose/", views_choose.data_choose, name="data_choose"),
    path("data/<uuid:pk>/offered/", views_choose.offered, name="data_offered"),
    path("data/<uuid:pk>/estimate/", views_choose.data_estimate, name="data_estimate"),
    path("data/<uuid:pk>/finish/", views_choose.data_finish, name="data_finish"),
    path("data/<uuid:pk>/resume/", views_choose.data_resume, name="data_resume"),
    path("data/<uuid:pk>/forget/", views_choose.data_forget, name="data_forget"),
    path("data/<uuid:pk>/", views_source.contents, name="data_source"),
    path("data/<uuid:pk>/contents/", views_source.contents, name="data_source_contents"),
    path("data/<uuid:pk>/tree/", views_tree.tree, name="data_source_tree"),
    path("data/<uuid:pk>/retry/", views_source.retry, name="data_source_retry"),
    path("data/<uuid:pk>/run/", views_source.run_card, name="data_source_run"),
    path("data/<uuid:pk>/steer/", views_source.steer, name="data_source_steer"),
    path("data/<uuid:pk>/runs/", views_source.runs, name="data_source_runs"),
    path("data/<uuid:pk>/runs/<uuid:run>/", views_source.run_account, name="data_source_run_account"),
    path("data/<uuid:pk>/access/", views_governing.access, name="data_source_access"),
    path("data/<uuid:pk>/access/<uuid:space>/", views_governing.access_change, name="data_source_access_change"),
    path("data/<uuid:pk>/used-by/", views_governing.used_by, name="data_source_used"),
    path("data/<uuid:pk>/settings/", views_settings.source_settings, name="data_source_settings"),
    path("data/<uuid:pk>/settings/webhook/", views_settings.webhook, name="data_source_webhook"),
    path("data/<uuid:pk>/export/", views_settings.export, name="data_source_export"),
    path("data/<uuid:pk>/delete/", views_governing.source_delete, name="data_source_delete"),
    path("data/<uuid:pk>/upload/", views_governing.upload, name="data_source_upload"),
    path("data/<uuid:pk>/upload/remove/", views_governing.upload_remove, name="data_source_upload_remove"),
    path("tables/", views_tables.tables, name="tables"),
    path("tables/query/", views_tables.query, name="tables_query"),
    path("tables/<uuid:pk>/", views_tables.table, name="table"),
    path("tables/<uuid:pk>/csv/", views_tables.table_csv, name="table_csv"),
    path("documents/<uuid:node>/", views_document.document, name="document"),
]
# Outside of any workspace: vendors call it.
public_urlpatterns: list[Any] = [path("hooks/<str:token>/", views_hooks.hook, name="hook")]
api_urlpatterns: list[Any] = api.urlpatterns
sockets: list[Any] = []
