"""Addresses of the ground floor."""

from typing import Any

from django.urls import path

from portal import views, views_entrance, views_home, views_me, views_notices, views_people, views_spaces
from portal.admin.addressing import govern, operate
from portal.api import routes as api

urlpatterns: list[Any] = [
    path("healthz", views.healthz, name="healthz"),
    path("readyz", views.readyz, name="readyz"),
    path("", views_entrance.start, name="start"),
    path("sign-in/<str:uid>/<str:token>/", views_entrance.sign_in_link, name="sign_in_link"),
    path("join/<str:token>/", views_entrance.invitation, name="invitation"),
    path("govern/", operate, name="operate"),
    path("govern/<path:rest>", operate),
    path("me/", views_me.me, name="me"),
    path("me/picture/", views_me.picture, name="my_picture"),
    path("me/theme/", views_me.theme, name="theme"),
    path("me/notifications/", views_me.mails, name="mails"),
    path("me/spending/", views_me.spending, name="spending"),
    path("me/keys/", views_me.keys, name="keys"),
    path("me/keys/new/", views_me.key_new, name="key_new"),
    path("me/keys/<uuid:pk>/revoke/", views_me.key_revoke, name="key_revoke"),
]
workspace_urlpatterns: list[Any] = [
    path("", views_home.home, name="home"),
    path("palette/", views_home.palette, name="palette"),
    path("people/", views_people.people_page, name="people"),
    path("people/portraits/<uuid:key>/", views_people.portrait, name="portrait"),
    path("people/import/", views_people.import_page, name="people_import"),
    path("people/invite/", views_people.invite, name="invite"),
    path("people/invitations/<uuid:pk>/", views_people.change_invitation, name="invitation_change"),
    path("people/<uuid:pk>/role/", views_people.change_role, name="person_role"),
    path("people/<uuid:pk>/leave/", views_people.leave, name="person_leave"),
    path("people/<uuid:pk>/return/", views_people.come_back, name="person_return"),
    path("notices/", views_notices.notices_page, name="notices"),
    path("notices/read/", views_notices.mark, name="notices_mark"),
    path("notices/<int:pk>/", views_notices.open_notice, name="notice"),
    path("spaces/", views_spaces.spaces_page, name="spaces"),
    path("spaces/new/", views_spaces.space_new, name="space_new"),
    path("spaces/<uuid:pk>/", views_spaces.space_edit, name="space"),
    path("spaces/<uuid:pk>/delete/", views_spaces.space_delete, name="space_delete"),
    path("govern/", govern, name="govern"),
    path("govern/<path:rest>", govern),
]
api_urlpatterns: list[Any] = api.urlpatterns
