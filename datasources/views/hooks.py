"""The public address that vendors call. Whoever calls is known by the address alone, then by the signature."""

from __future__ import annotations

import structlog
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from datasources import hooks
from datasources.connectors.base import ConnectorError, Delivery, DeliveryRefused
from portal.access import public

log = structlog.get_logger(__name__)

MOST_BYTES = 1_000_000
REPLY_TYPES = ("text/plain", "application/json")
"""What comes back to a vendor is never a page: a reply repeats what the caller sent."""


@csrf_exempt
@public
@require_http_methods(["GET", "POST"])
def hook(request: HttpRequest, token: str) -> HttpResponse:
    """404 for an address that is not open, 401 where the delivery is not the vendor's, 413 where it is too long."""
    source = hooks.source_of(token)
    if source is None:
        return HttpResponse(status=404)
    body = request.read(MOST_BYTES + 1)
    if len(body) > MOST_BYTES:
        return HttpResponse(status=413)
    delivery = Delivery(
        method=request.method or "",
        headers={name.lower(): value for name, value in request.headers.items()},
        query=request.GET.dict(),
        body=body,
        secret=hooks.secret_of(source),
        now=timezone.now(),
    )
    try:
        heard = hooks.hear(source, delivery)
    except DeliveryRefused as refusal:
        log.warning("a delivery was refused", source=str(source.pk), reason=str(refusal))
        return HttpResponse(status=401)
    except ConnectorError as error:
        log.warning("a delivery could not be heard", source=str(source.pk), reason=str(error))
        return HttpResponse(status=503)
    if heard is None:
        return HttpResponse(status=404)
    kind = heard.reply_type if heard.reply_type in REPLY_TYPES else REPLY_TYPES[0]
    return HttpResponse(heard.reply, content_type=f"{kind}; charset=utf-8")
