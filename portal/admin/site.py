"""The Django admin as workspace admins meet it: who may enter, what stands in its menu, what waits on its first page."""

from __future__ import annotations

from typing import Any

from django.contrib.admin.models import LogEntry
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.templatetags.static import static
from django.urls import reverse
from unfold.sites import UnfoldAdminSite

from portal.access import may

# The order of the menu's sections; classes name theirs in ``section``.
SECTIONS = ("People", "Data", "Assistants", "Spending", "Record", "Platform")
# Views of Django's admin that would lead around our sign-in, or tell of rows by type and id alone.
_LEFT_OUT = frozenset({"login", "view_on_site", "password_change", "password_change_done", "logout"})


class GovernSite(UnfoldAdminSite):
    """Reached through ``portal.admin.addressing`` only, which has set ``request.workspace`` and ``request.membership``.

    ``request.workspace`` is None for a platform operator who looks over all workspaces.
    """

    index_template = "portal/govern/index.html"
    final_catch_all_view = False

    def has_permission(self, request: HttpRequest) -> bool:
        if not request.user.is_active:
            return False
        return request.user.is_superuser or may(getattr(request, "membership", None), "admin.enter")

    def get_urls(self) -> list[Any]:
        urls = [url for url in super().get_urls() if getattr(url, "name", None) not in _LEFT_OUT]
        return [*urls, *self._elsewhere()]

    def _elsewhere(self) -> list[Any]:
        """Pages of ours, and addresses that Django's templates name, kept as doors to allauth's pages: one sign-in, one
        second factor."""
        from django.urls import path

        def door(route: str) -> Any:
            return self.admin_view(lambda request: redirect(route))

        return [
            path("adoption/", self.admin_view(self.adoption), name="adoption"),
            path("workspace/", self.admin_view(self.workspace), name="workspace"),
            path("workspace/embedding/", self.admin_view(self.embedding), name="embedder"),
            path("login/", door("account_login"), name="login"),
            path("logout/", door("account_logout"), name="logout"),
            path("password/", door("account_change_password"), name="password_change"),
        ]

    def get_log_entries(self, request: HttpRequest) -> QuerySet[LogEntry]:
        """The audit log is the record of what was done, here too."""
        return LogEntry.objects.none()

    def each_context(self, request: HttpRequest) -> dict[str, Any]:
        context = super().each_context(request)
        workspace = request.workspace  # type: ignore[attr-defined]
        context["site_header"] = str(workspace) if workspace else "All workspaces"
        context["styles"] = [static("govern.css")]
        context["site_favicons"] = [{"rel": "icon", "href": static("icon.svg"), "type": "image/svg+xml"}]
        context["site_url"] = f"/w/{workspace.slug}/" if workspace else "/"
        return context

    def get_sidebar_list(self, request: HttpRequest) -> list[dict[str, Any]]:
        index = reverse("admin:index")
        groups: dict[str, list[dict[str, Any]]] = {section: [] for section in SECTIONS}
        for model, admin in sorted(self._registry.items(), key=lambda pair: getattr(pair[1], "weight", 0)):
            if getattr(admin, "section", "") and admin.has_module_permission(request):
                link = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
                groups[admin.section].append(
                    _item(admin.title, link, getattr(admin, "icon", ""), request.path.startswith(link))
                )
        first = [_item("Overview", index, "home", request.path == index)]
        if request.workspace is not None:  # type: ignore[attr-defined]
            for title, name, icon in (("Adoption", "adoption", "trending_up"), ("Workspace", "workspace", "tune")):
                link = reverse(f"admin:{name}")
                first.append(_item(title, link, icon, request.path == link))
        return [{"items": first}, *({"title": title, "items": items} for title, items in groups.items() if items)]

    def index(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> TemplateResponse:
        """What waits, a few numbers, and charts: see ``overview``."""
        from portal.admin import overview

        front = overview.front(request, request.workspace)  # type: ignore[attr-defined]
        return super().index(request, {**(extra_context or {}), **front, "title": "Overview"})

    def adoption(self, request: HttpRequest) -> TemplateResponse:
        """For whoever gets people to use it: what is missing, and what to try next."""
        from portal.admin import adoption

        found = adoption.found(request, request.workspace)  # type: ignore[attr-defined]
        context = {**self.each_context(request), **found, "title": "Adoption"}
        return TemplateResponse(request, "portal/govern/adoption.html", context)

    def workspace(self, request: HttpRequest) -> HttpResponse:
        """What holds in the whole workspace, to change."""
        from portal.admin.workspace import workspace_page

        return workspace_page(request, self.each_context(request))

    def embedding(self, request: HttpRequest) -> HttpResponse:
        """Which model embeds the workspace's passages, to change."""
        from portal.admin.embedder import embedder_page

        return embedder_page(request, self.each_context(request))

    def search(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Finds pages of this admin by name. Unlike the library's, it keeps no result that another workspace could meet."""
        term = request.GET.get("s", "").strip().lower()
        found = self._search_apps(self.get_app_list(request), term) if term else []
        return TemplateResponse(request, "portal/govern/search.html", {"results": found})


def _item(title: str, link: str, icon: str, active: bool) -> dict[str, Any]:
    return {"title": title, "link": link, "icon": icon, "active": active, "has_permission": True}


site = GovernSite(name="admin")
# Rows go through their own verbs, one by one; see deeds.
site.disable_action("delete_selected")
