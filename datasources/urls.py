"""Addresses of sources, documents and search: pages below /w/<slug>/, API below /api/v1/workspaces/<slug>/, sockets."""

from typing import Any

from django.urls import path

from datasources.api import routes as api
from datasources.views import (
    choose,
    connect,
    data,
    document,
    governing,
    hooks,
    node_access,
    settings,
    source,
    tables,
    tree,
)

urlpatterns: list[Any] = [
    path("data/", data.data, name="data"),
    path("data/new/", connect.data_new, name="data_new"),
    path("data/new/<slug:kind>/test/", connect.data_test, name="data_test"),
    path("data/tags/", tree.tags, name="data_tags"),
    path("data/oauth/", connect.data_oauth, name="data_oauth"),
    path("data/<uuid:pk>/connect/", connect.data_connect, name="data_connect"),
    path("data/<uuid:pk>/connect/test/", connect.data_connect_test, name="data_connect_test"),
    path("data/<uuid:pk>/connect/sign-in/", connect.data_sign_in, name="data_sign_in"),
    path("data/<uuid:pk>/files/", choose.data_files, name="data_files"),
    path("data/<uuid:pk>/choose/", choose.data_choose, name="data_choose"),
    path("data/<uuid:pk>/offered/", choose.offered, name="data_offered"),
    path("data/<uuid:pk>/choices/", choose.data_choices, name="data_choices"),
    path("data/<uuid:pk>/estimate/", choose.data_estimate, name="data_estimate"),
    path("data/<uuid:pk>/finish/", choose.data_finish, name="data_finish"),
    path("data/<uuid:pk>/resume/", choose.data_resume, name="data_resume"),
    path("data/<uuid:pk>/forget/", choose.data_forget, name="data_forget"),
    path("data/<uuid:pk>/", source.contents, name="data_source"),
    path("data/<uuid:pk>/contents/", source.contents, name="data_source_contents"),
    path("data/<uuid:pk>/tree/", tree.tree, name="data_source_tree"),
    path("data/<uuid:pk>/nodes/<uuid:node>/access/", node_access.node_access, name="data_source_node_access"),
    path("data/<uuid:pk>/retry/", source.retry, name="data_source_retry"),
    path("data/<uuid:pk>/run/", source.run_card, name="data_source_run"),
    path("data/<uuid:pk>/steer/", source.steer, name="data_source_steer"),
    path("data/<uuid:pk>/runs/", source.runs, name="data_source_runs"),
    path("data/<uuid:pk>/runs/<uuid:run>/", source.run_account, name="data_source_run_account"),
    path("data/<uuid:pk>/access/", governing.access, name="data_source_access"),
    path("data/<uuid:pk>/access/<uuid:space>/", governing.access_change, name="data_source_access_change"),
    path("data/<uuid:pk>/used-by/", governing.used_by, name="data_source_used"),
    path("data/<uuid:pk>/settings/", settings.source_settings, name="data_source_settings"),
    path("data/<uuid:pk>/settings/webhook/", settings.webhook, name="data_source_webhook"),
    path("data/<uuid:pk>/export/", settings.export, name="data_source_export"),
    path("data/<uuid:pk>/delete/", governing.source_delete, name="data_source_delete"),
    path("data/<uuid:pk>/upload/", governing.upload, name="data_source_upload"),
    path("data/<uuid:pk>/upload/remove/", governing.upload_remove, name="data_source_upload_remove"),
    path("tables/", tables.tables, name="tables"),
    path("tables/query/", tables.query, name="tables_query"),
    path("tables/<uuid:pk>/", tables.table, name="table"),
    path("tables/<uuid:pk>/csv/", tables.table_csv, name="table_csv"),
    path("documents/<uuid:node>/", document.document, name="document"),
]
# Outside of any workspace: vendors call it.
public_urlpatterns: list[Any] = [path("hooks/<str:token>/", hooks.hook, name="hook")]
api_urlpatterns: list[Any] = api.urlpatterns
sockets: list[Any] = []
