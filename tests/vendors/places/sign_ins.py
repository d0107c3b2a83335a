"""How each vendor lets an app in, where that differs from RFC 6749: addresses, answers, words for errors, and what ends.

Each vendor's server holds one as ``sign_in`` and takes the tokens in ``sign_in.access``. GitHub's is in ``github_sign_in.py``.
"""

from __future__ import annotations

from typing import Any

from aiohttp import web

from tests.vendors.places.oauth import OAuthServer


class SlackSignIn(OAuthServer):
    """Errors come with status 200. With token rotation, a bot's token ends after twelve hours.

    https://docs.slack.dev/reference/methods/oauth.v2.access
    """

    authorize_path, token_path = "/oauth/v2/authorize", "/api/oauth.v2.access"
    name = "Slack"
    errors = {"invalid_client": "bad_client_secret", "invalid_grant": "invalid_code"}

    def __init__(self) -> None:
        super().__init__(lasts=43200)

    def given(self, told: dict[str, Any], request: web.Request) -> web.Response:
        more = {"token_type": "bot", "scope": self.asked[-1]["scope"], "bot_user_id": "U0APP", "app_id": "A1"}
        people = {"team": {"id": "T1", "name": "Acme"}, "authed_user": {"id": "U1"}}
        return web.json_response({"ok": True, **told, **more, **people})

    def _no(self, request: web.Request, error: str, status: int = 400) -> web.Response:
        return web.json_response({"ok": False, "error": self.errors[error]})


class NotionSignIn(OAuthServer):
    """The client proves itself by Basic alone; there are no scopes, and no answer says when access ends.

    https://developers.notion.com/reference/create-a-token
    """

    authorize_path, token_path = "/v1/oauth/authorize", "/v1/oauth/token"
    name = "Notion"
    client_auths = ("client_secret_basic",)

    def __init__(self) -> None:
        super().__init__(lasts=None)

    def given(self, told: dict[str, Any], request: web.Request) -> web.Response:
        del told["team"]
        more = {"token_type": "bearer", "workspace_name": "Harbour Lane", "duplicated_template_id": None}
        return web.json_response({**told, **more, "owner": {"type": "user", "user": {"object": "user"}}})


class GoogleSignIn(OAuthServer):
    """A refresh token comes only to who asks for access offline; it stays, and a renewal does not say it again.

    https://developers.google.com/identity/protocols/oauth2/web-server
    """

    authorize_path, token_path = "/o/oauth2/v2/auth", "/token"
    name = "Google"

    def __init__(self) -> None:
        super().__init__(lasts=3599, rotates=False)

    def given(self, told: dict[str, Any], request: web.Request) -> web.Response:
        del told["team"]
        if self.asked[-1].get("access_type") != "offline":
            told.pop("refresh_token", None)
        return web.json_response({**told, "scope": self.asked[-1]["scope"]})

    def _no(self, request: web.Request, error: str, status: int = 400) -> web.Response:
        words = {"invalid_client": "Unauthorized", "invalid_grant": "Malformed auth code."}
        return web.json_response({"error": error, "error_description": words[error]}, status=status)


class AtlassianSignIn(OAuthServer):
    """A client that it does not know is ``access_denied``; a refresh token comes with the scope offline_access.

    https://developer.atlassian.com/cloud/jira/platform/oauth-2-3lo-apps/
    """

    authorize_path, token_path = "/authorize", "/oauth/token"
    name, yes = "Atlassian", "Accept"
    client_auths = ("client_secret_post",)

    def given(self, told: dict[str, Any], request: web.Request) -> web.Response:
        del told["team"]
        if "offline_access" not in self.asked[-1]["scope"].split():
            told.pop("refresh_token", None)
        return web.json_response({**told, "scope": self.asked[-1]["scope"]})

    def _no(self, request: web.Request, error: str, status: int = 400) -> web.Response:
        if error == "invalid_client":
            return web.json_response({"error": "access_denied", "error_description": "Unauthorized"}, status=401)
        status = 403 if error == "invalid_grant" else status
        return web.json_response({"error": error, "error_description": "Invalid authorization code"}, status=status)


class IntercomSignIn(OAuthServer):
    """Access does not end; errors are worded as everywhere in its API, with no ``error`` as the RFC has it.

    https://developers.intercom.com/docs/build-an-integration/learn-more/authentication/setting-up-oauth
    """

    authorize_path, token_path = "/oauth", "/auth/eagle/token"
    name, yes = "Intercom", "Authorize access"
    client_auths = ("client_secret_post",)

    def __init__(self) -> None:
        super().__init__(lasts=None)

    def given(self, told: dict[str, Any], request: web.Request) -> web.Response:
        token = told["access_token"]
        return web.json_response({"token_type": "Bearer", "token": token, "access_token": token})

    def _no(self, request: web.Request, error: str, status: int = 400) -> web.Response:
        code, words = ("unauthorized", "Unauthorized") if status == 401 else ("not_found", "Code not found")
        errors = [{"code": code, "message": words}]
        body = {"type": "error.list", "request_id": "loopback", "errors": errors}
        return web.json_response(body, status=401 if status == 401 else 404)


class SalesforceSignIn(OAuthServer):
    """No answer says when access ends, for an administrator sets that; the refresh token stays and is not said again.

    https://help.salesforce.com/s/articleView?id=xcloud.remoteaccess_oauth_web_server_flow.htm
    """

    authorize_path, token_path = "/services/oauth2/authorize", "/services/oauth2/token"
    name = "Salesforce"

    def __init__(self) -> None:
        super().__init__(lasts=None, rotates=False)

    def given(self, told: dict[str, Any], request: web.Request) -> web.Response:
        del told["team"]
        if "refresh_token" not in self.asked[-1]["scope"].split():
            told.pop("refresh_token", None)
        place = f"{request.scheme}://{request.host}"
        more = {"instance_url": place, "id": f"{place}/id/00D/005", "scope": self.asked[-1]["scope"]}
        return web.json_response({**told, **more, "issued_at": "1760000000000", "signature": "c2lnbmVk"})

    def _no(self, request: web.Request, error: str, status: int = 400) -> web.Response:
        words = {"invalid_client": "invalid client credentials", "invalid_grant": "expired authorization code"}
        return web.json_response({"error": error, "error_description": words[error]}, status=400)
