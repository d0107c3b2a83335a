"""Web sites: the contract, manners, and what a site can do to whoever reads it."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from datasources.connectors.around import Around
from datasources.connectors.base import (
    Checkpoint,
    Chosen,
    Complete,
    ConnectorError,
    NodeError,
    Skipped,
    Upsert,
)
from datasources.connectors.website import crawl, memory, sitemap
from datasources.connectors.website.addresses import Site, normalized
from datasources.connectors.website.connector import Website
from datasources.ingestion.extract import Extractor
from datasources.ingestion.results import Limits
from portal.net import GuardedNetwork
from portal.providers.transport import OPEN
from tests.contracts.vendor import ALL, Seen, VendorContract, VendorPlace
from tests.vendors.places.website import WebPage, WebsiteServer, filled

ALLOWED = GuardedNetwork(("127.0.0.1",))


class Place(VendorPlace):
    def __init__(self, server: WebsiteServer) -> None:
        self.server: WebsiteServer = server
        self.around = Around(Extractor(workers=1), network=ALLOWED)
        self.branches = (f"dir:{server.base_url}/handbook/", f"dir:{server.base_url}/blog/")

    def connector(self, around: Around | None = None, **config: Any) -> Website:
        given = {"base_url": f"{self.server.base_url}/", "pace": 0, **config}
        return Website(given, {}, around or self.around)

    def at(self, path: str) -> str:
        return f"{self.server.base_url}{path}"

    def documents(self) -> dict[str, str]:
        pages = self.server.pages.items()
        return {self.at(path): page.text.split()[-1] for path, page in pages if page.text}

    def edit(self) -> str:
        self.server.pages["/handbook/leave.html"].text = "Everyone has thirty-two days of leave, and takes them-gladly."
        return self.at("/handbook/leave.html")

    def add(self) -> str:
        self.server.pages["/handbook/new.html"] = WebPage("New", "This chapter is new, and it says something-else.")
        return self.at("/handbook/new.html")

    def delete(self) -> str:
        del self.server.pages["/handbook/travel/rail.html"]
        return self.at("/handbook/travel/rail.html")

    def branch_of(self, external_id: str) -> str:
        return next((branch for branch in self.branches if external_id.startswith(branch[4:])), "")


@pytest.fixture
def place() -> Iterator[Place]:
    with filled() as server:
        yield Place(server)


class TestWebsite(VendorContract):
    pass


def reasons(seen: Seen, place: Place) -> dict[str, str]:
    start = len(place.server.base_url)
    return {c.node.external_id[start:]: c.reason for c in seen.changes if isinstance(c, Skipped)}


def told(seen: Seen) -> list[str]:
    return [change.node.external_id for change in seen.changes if isinstance(change, Upsert)]


def paths(seen: Seen, place: Place) -> set[str]:
    return {key.removeprefix(place.server.base_url) for key in seen.documents()}


# ---- Text


def test_the_text_keeps_headings_tables_and_links_and_loses_the_furniture(place: Place) -> None:
    body = """<html><head><title>Hotels</title></head><body><nav>Choose a language</nav><main><h1>Hotels</h1>
    <p>Ask <a href="../leave.html">the leave page</a> or <a href="javascript:alert(1)">this</a>, and never write
    &lt;script&gt;alert(1)&lt;/script&gt; into a form, whoever asks you for it.</p><h2>Limits</h2>
    <table><tr><th>City</th><th>Night</th></tr><tr><td>Oslo</td><td>140</td></tr><tr><td>Rome</td><td>120</td></tr></table>
    </main><footer>Imprint and cookie settings</footer></body></html>"""
    place.server.pages["/handbook/travel/hotels.html"] = WebPage(body=body.encode())
    connector = place.connector()
    node = Seen().run(connector).nodes[place.at("/handbook/travel/hotels.html")]
    text = connector.fetch(node).markdown or ""
    assert "## Limits" in text
    assert "| Oslo | 140 |" in text
    assert f"[the leave page]({place.at('/handbook/leave.html')})" in text
    assert "javascript:" not in text
    assert "<script>" not in text.replace("\\<script>", "")
    assert "language" not in text
    assert "cookie" not in text


def test_a_short_page_keeps_its_shape_and_loses_the_furniture_too(place: Place) -> None:
    connector = place.connector()
    node = Seen().run(connector).nodes[place.at("/handbook/travel/hotels.html")]
    text = connector.fetch(node).markdown or ""
    assert text.startswith("# Hotels\n\nHotels cost")
    assert "language" not in text


def test_other_charsets_are_read(place: Place) -> None:
    body = "<html><head><title>Größe</title></head><body><p>Die Größe des Büros beträgt 90 m².</p></body></html>"
    place.server.pages["/blog/old.html"] = WebPage(
        body=body.encode("latin-1"), headers={"Content-Type": "text/html; charset=ISO-8859-1"}
    )
    place.server.pages["/blog/old.html"].mime = "text/html"
    body = body.replace("<head>", '<head><meta charset="windows-1252">')
    place.server.pages["/blog/meta.html"] = WebPage(body=body.encode("cp1252"))
    connector = place.connector()
    node = Seen().run(connector).nodes[place.at("/blog/meta.html")]
    assert node.title == "Größe"
    assert "Büros" in (connector.fetch(node).markdown or "")


def test_a_page_that_scripts_make_is_said_to_be_empty(place: Place) -> None:
    place.server.pages["/blog/app.html"] = WebPage(
        body=b"<html><body><div id=root></div><script>go()</script></body></html>"
    )
    assert reasons(Seen().run(place.connector()), place)["/blog/app.html"] == crawl.NO_TEXT


def test_without_an_etag_the_version_is_of_the_text_alone(place: Place) -> None:
    page = place.server.pages["/blog/spring.html"]
    page.etag = False
    seen = Seen().run(place.connector())
    before = seen.versions()
    page.head = '<meta name="build" content="2">'
    assert seen.run(place.connector()).versions() == before
    page.text += " And in autumn we closed it."
    after = seen.run(place.connector()).versions()
    assert {key for key in after if after[key] != before[key]} == {place.at("/blog/spring.html")}


def test_files_come_in_as_they_are_and_others_are_skipped(place: Place) -> None:
    place.server.pages["/blog/paper.pdf"] = WebPage(body=b"%PDF-1.4 paper", mime="application/pdf")
    place.server.pages["/blog/download"] = WebPage(body=b"PK deck", mime="application/vnd.ms-powerpoint", etag=False)
    place.server.pages["/blog/tool"] = WebPage(body=b"\x00\x01", mime="application/octet-stream")
    connector = place.connector()
    seen = Seen().run(connector)
    assert connector.fetch(seen.nodes[place.at("/blog/paper.pdf")]).data == b"%PDF-1.4 paper"
    assert connector.fetch(seen.nodes[place.at("/blog/download")]).filename == "download.ppt"
    assert seen.nodes[place.at("/blog/download")].version
    assert "application/octet-stream" in reasons(seen, place)["/blog/tool"]
    assert ("HEAD", "/blog/paper.pdf") in place.server.requests
    without = Seen().run(place.connector(files=False))
    assert "/blog/paper.pdf" not in paths(without, place)


def test_what_is_too_large_is_not_read_to_its_end(place: Place) -> None:
    place.server.pages["/blog/big.html"] = WebPage(body=b"<html>" + b"x" * 5000)
    small = replace(place.around, limits=Limits(file_bytes=2000))
    assert "/blog/big.html" in reasons(Seen().run(place.connector(around=small)), place)


# ---- Manners


def test_robots_txt_is_obeyed_and_said(place: Place) -> None:
    place.server.pages["/private/plans.html"] = WebPage("Plans", "Secret plans for the harbour wall.")
    place.server.pages["/"].links = ["/private/plans.html"]
    seen = Seen().run(place.connector())
    assert "robots.txt" in reasons(seen, place)["/private/plans.html"]
    assert ("GET", "/private/plans.html") not in place.server.requests
    assert any("AtriumBot" in agent for agent in place.server.agents)


def test_the_distance_that_robots_txt_asks_for_is_kept(place: Place) -> None:
    place.server.robots = "User-agent: *\nCrawl-delay: 0.1\n"
    begun = time.monotonic()
    Seen().run(place.connector(sitemap="off", depth=1))
    assert time.monotonic() - begun > 0.08 * (len(place.server.requests) - 2)


def test_no_delay_is_kept_that_would_stop_everything(place: Place) -> None:
    place.server.robots = "User-agent: *\nCrawl-delay: 86400\n"
    connector = place.connector()
    connector.getter.robots(place.at("/"))
    assert connector.getter._distance(place.server.base_url.removeprefix("http://")) == 10.0


def test_what_asks_not_to_be_indexed_is_skipped_and_nofollow_is_not_followed(place: Place) -> None:
    page = place.server.pages["/blog/"]
    page.head = '<meta name="robots" content="noindex, nofollow">'
    seen = Seen().run(place.connector())
    assert reasons(seen, place)["/blog/"] == crawl.NOINDEX
    assert "/blog/spring.html" not in paths(seen, place)


# ---- How far


def test_below_the_start_address(place: Place) -> None:
    seen = Seen().run(place.connector(base_url=place.at("/handbook/")))
    assert paths(seen, place) == {path for path in place.server.pages if path.startswith("/handbook/")}
    assert seen.nodes[place.at("/handbook/leave.html")].parent is None
    whole = Seen().run(place.connector(base_url=place.at("/handbook/"), scope="host"))
    assert paths(whole, place) == set(place.server.pages)


def test_depth_and_patterns(place: Place) -> None:
    assert paths(Seen().run(place.connector(depth=1)), place) == {"/", "/handbook/", "/blog/"}
    only = Seen().run(place.connector(include=["handbook/travel/**"], exclude=["*hotels*"]))
    assert paths(only, place) == {"/handbook/travel/rail.html"}
    assert "/handbook/travel/hotels.html" not in {path for _, path in place.server.requests[-12:]}


def test_the_limit_of_pages_is_said(place: Place) -> None:
    seen = Seen().run(place.connector(pages=3))
    assert len(paths(seen, place)) == 3
    assert all("limit of 3 pages" in reason for reason in reasons(seen, place).values())
    assert reasons(seen, place)


def test_sitemaps_of_sitemaps_and_packed_ones(place: Place) -> None:
    place.server.pages["/hidden/one.html"] = WebPage("One", "Nothing links to this page, apart from a list.")
    place.server.pages["/hidden/two.html"] = WebPage("Two", "Nothing links to this page either, apart from it.")
    place.server.sitemap(["/hidden/one.html"], "/sitemaps/1.xml.gz", packed=True)
    place.server.sitemap(["/hidden/two.html"], "/sitemaps/2.xml")
    place.server.sitemap_index(["/sitemaps/1.xml.gz", "/sitemaps/2.xml"], "/maps.xml")
    place.server.robots = f"Sitemap: {place.at('/maps.xml')}\n"
    assert {"/hidden/one.html", "/hidden/two.html"} <= paths(Seen().run(place.connector()), place)
    only = paths(Seen().run(place.connector(sitemap="only")), place)
    assert only == {"/", "/hidden/one.html", "/hidden/two.html"}
    assert "/hidden/one.html" not in paths(Seen().run(place.connector(sitemap="off")), place)
    assert "lists 2 pages" in place.connector().test().message


def test_a_sitemap_is_no_way_in() -> None:
    bomb = b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><urlset><url><loc>&x;</loc></url></urlset>'
    assert sitemap.parsed(bomb) == ([], [])
    assert sitemap.unpacked(b"\x1f\x8b broken") == b""
    assert sitemap.parsed(b"https://a.example/1\nhttps://a.example/2") == (
        ["https://a.example/1", "https://a.example/2"],
        [],
    )


def test_one_page_has_one_address(place: Place) -> None:
    place.server.pages["/"].links = ["/blog/spring.html?utm_source=mail#top", "/blog/print?of=spring", "/old"]
    place.server.pages["/blog/print?of=spring"] = WebPage(
        "Spring", "In spring we opened a new-workshop.", head='<link rel="canonical" href="/blog/spring.html">'
    )
    place.server.pages["/old"] = WebPage(status=301, headers={"Location": "/blog/summer.html"})
    seen = Seen().run(place.connector())
    assert {path for path in paths(seen, place) if path.startswith("/blog/s")} == {
        "/blog/spring.html",
        "/blog/summer.html",
    }
    assert not {"/old", "/blog/print?of=spring"} & paths(seen, place)


def test_pages_that_name_each_other_as_the_real_one_are_not_lost(place: Place) -> None:
    place.server.pages["/blog/spring.html"].head = '<link rel="canonical" href="/blog/summer.html">'
    place.server.pages["/blog/summer.html"].head = '<link rel="canonical" href="/blog/spring.html">'
    assert {"/blog/spring.html", "/blog/summer.html"} & paths(Seen().run(place.connector()), place)


def test_addresses_have_one_spelling() -> None:
    assert normalized("HTTPS://Acme.Example:443/a b?utm_source=x&id=1#part") == "https://acme.example/a%20b?id=1"
    assert normalized("../c", "https://acme.example/a/b/") == "https://acme.example/a/c"
    for bad in ("javascript:alert(1)", "mailto:a@b", "https://user:pw@acme.example/", "http://[broken", "ftp://a/b"):
        assert normalized(bad, "https://acme.example/") == ""
    site = Site("https://www.acme.example/docs", "domain")
    assert site.own("http://www.acme.example/x") == "https://www.acme.example/x"
    assert site.own("https://help.acme.example/x")
    assert not site.own("https://notacme.example/")
    assert site.chain("https://help.acme.example/a/b") == [
        "https://help.acme.example/a/b",
        "dir:https://help.acme.example/a/",
        "dir:https://help.acme.example/",
    ]
    with pytest.raises(ConnectorError, match="whole address"):
        Site("acme", "below")


# ---- Private addresses


def test_private_addresses_are_refused_unless_allowed(place: Place) -> None:
    inside = place.connector(around=replace(place.around, network=GuardedNetwork(())))
    for call in (inside.test, lambda: list(inside.changes({}, ALL)), lambda: list(inside.children(None))):
        with pytest.raises(ConnectorError, match="ATRIUM_PRIVATE_HOSTS") as caught:
            call()
        assert caught.value.permanent
    assert place.server.requests == []


@pytest.mark.parametrize(
    ("raised", "words"),
    [
        (socket.gaierror(-2, "Name or service not known"), "nobody knows a host of that name"),
        (ConnectionRefusedError(111, "Connection refused"), "nothing answers at that address"),
        (TimeoutError("timed out"), "it does not answer in time"),
    ],
)
def test_why_a_site_can_not_be_reached_is_said_in_words(
    place: Place, monkeypatch: pytest.MonkeyPatch, raised: OSError, words: str
) -> None:
    def fails(*args: Any, **options: Any) -> Any:
        raise raised

    monkeypatch.setattr(socket.socket, "connect", fails)
    with pytest.raises(ConnectorError, match=f"can't be reached just now: {words}") as caught:
        place.connector().test()
    assert not caught.value.permanent


def test_a_redirect_leads_to_no_private_address(place: Place) -> None:
    place.server.pages["/blog/meta"] = WebPage(
        status=302, headers={"Location": "http://169.254.169.254/latest/meta-data/"}
    )
    place.server.pages["/blog/round"] = WebPage(status=302, headers={"Location": "/blog/round"})
    said = reasons(Seen().run(place.connector()), place)
    assert "leads to another place" in said["/blog/meta"]
    assert "more than 5 times" in said["/blog/round"]


def test_a_name_that_resolves_to_a_private_address_is_refused(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """The site's own name is allowed; one below it, which a page links to and redirects to, points inside."""
    real = socket.getaddrinfo

    def resolved(host: Any, *args: Any, **options: Any) -> Any:
        return real("127.0.0.1" if str(host).endswith("acme.test") else host, *args, **options)

    monkeypatch.setattr(socket, "getaddrinfo", resolved)
    port = place.server.base_url.rsplit(":", 1)[1]
    home = f"http://acme.test:{port}"
    inner = f"http://inner.acme.test:{port}"
    place.server.pages["/"].links = [f"{inner}/blog/spring.html", "/go"]
    place.server.pages["/go"] = WebPage(status=302, headers={"Location": f"{inner}/blog/summer.html"})
    around = replace(place.around, network=GuardedNetwork(("acme.test",)))
    seen = Seen().run(place.connector(around=around, base_url=f"{home}/", scope="domain"))
    said = {c.node.external_id: c.reason for c in seen.changes if isinstance(c, Skipped)}
    assert "private address" in said[f"{inner}/blog/spring.html"]
    assert "private address" in said[f"{home}/go"]
    assert not [key for key in seen.documents() if "inner" in key]


# ---- Pages that are none


def test_login_pages_are_told_as_skipped(place: Place) -> None:
    place.server.pages["/"].links = ["/team/", "/blog/members.html", "/blog/form.html"]
    place.server.pages["/team/"] = WebPage(status=302, headers={"Location": "/login?next=/team/"})
    place.server.pages["/login"] = WebPage("Sign in", "Please sign in with your account to go on.")
    place.server.pages["/blog/members.html"] = WebPage("No", "No.", status=401)
    place.server.pages["/blog/form.html"] = WebPage(
        body=b"<html><title>Welcome</title><body><form><p>Your password, please</p><input type=password></form></body></html>"
    )
    said = reasons(Seen().run(place.connector()), place)
    assert {path for path, reason in said.items() if "login" in reason} == {
        "/team/",
        "/blog/members.html",
        "/blog/form.html",
    }


def test_pages_that_say_they_are_none_are_skipped_whatever_the_code(place: Place) -> None:
    place.server.soft = True
    place.server.pages["/"].links = ["/gone.html"]
    place.server.pages["/blog/404.html"] = WebPage("404 – Page not found", "The page that you asked for is not here.")
    seen = Seen().run(place.connector())
    assert reasons(seen, place) == {"/gone.html": crawl.MISSING, "/blog/404.html": crawl.MISSING}


def test_a_start_address_that_moved_or_is_closed_needs_a_person(place: Place) -> None:
    place.server.pages["/away"] = WebPage(status=301, headers={"Location": "https://elsewhere.example/"})
    for path, words in (("/away", "elsewhere.example"), ("/none", "no page|404")):
        with pytest.raises(ConnectorError, match=words) as caught:
            list(place.connector(base_url=place.at(path)).changes({}, ALL))
        assert caught.value.permanent


# ---- Walks after the first


def test_what_did_not_change_is_not_sent_again_and_its_links_are_still_followed(place: Place) -> None:
    place.server.pages["/handbook/hidden.html"] = WebPage("Hidden", "Only linked from the leave-page.")
    place.server.pages["/handbook/old.html"] = WebPage(
        "Old", "This one is not to be indexed-at-all.", head='<meta name="robots" content="noindex">'
    )
    seen = Seen().run(place.connector())
    before = {key: seen.nodes[key] for key in seen.documents()}
    place.server.requests.clear()
    seen.run(place.connector())
    html = {path for _, path in place.server.requests} & set(place.server.pages)
    assert set(place.server.unchanged) == html == set(place.server.pages)
    assert {key: seen.nodes[key] for key in seen.documents()} == before
    assert reasons(seen, place) == {"/handbook/old.html": crawl.NOINDEX}
    assert None in seen.scopes


def test_a_time_of_last_change_does_where_there_is_no_etag(place: Place) -> None:
    rail = place.server.pages["/handbook/travel/rail.html"]
    rail.etag, rail.headers = False, {"Last-Modified": "Mon, 02 Mar 2026 09:00:00 GMT"}
    seen = Seen().run(place.connector())
    seen.run(place.connector())
    assert "/handbook/travel/rail.html" in place.server.unchanged
    rail.headers = {"Last-Modified": "Tue, 03 Mar 2026 09:00:00 GMT"}
    rail.text = "Trains come before planes, and before cars-too."
    place.server.unchanged.clear()
    connector = place.connector()
    node = seen.run(connector).nodes[place.at("/handbook/travel/rail.html")]
    assert "/handbook/travel/rail.html" not in place.server.unchanged
    assert node.version == "Tue, 03 Mar 2026 09:00:00 GMT"
    assert "cars-too" in (connector.fetch(node).markdown or "")


def test_a_page_that_is_new_or_changed_is_asked_for_once(place: Place) -> None:
    connector = place.connector()
    seen = Seen().run(connector)
    asked = len(place.server.requests)
    for key, word in place.documents().items():
        assert word in (connector.fetch(seen.nodes[key]).markdown or "")
    assert len(place.server.requests) == asked
    edited = place.edit()
    connector = place.connector()
    seen.run(connector)
    place.server.requests.clear()
    assert "gladly" in (connector.fetch(seen.nodes[edited]).markdown or "")
    assert place.server.requests == []
    # A second time, or of another page, there is nothing at hand.
    assert "gladly" in (connector.fetch(seen.nodes[edited]).markdown or "")
    assert place.server.requests


def test_a_page_that_came_back_changed_or_went_is_not_taken_for_the_old_one(place: Place) -> None:
    seen = Seen().run(place.connector())
    gone = place.server.pages.pop("/blog/spring.html")
    seen.run(place.connector())
    place.server.pages["/blog/spring.html"] = gone
    place.server.pages["/blog/spring.html"].links = ["/blog/late.html"]
    place.server.pages["/blog/late.html"] = WebPage("Late", "Found through a page that came-back.")
    seen.run(place.connector())
    assert seen.documents() == set(place.documents())


def test_the_memory_of_a_large_site_keeps_to_its_bound(place: Place) -> None:
    pages = {
        f"https://acme.example/{n:05}-{n * 7919:x}": memory.Known(
            f'"{n * 104729:x}"', "", f"Page {n}", "", (), "", (), True, True
        )
        for n in range(2000)
    }
    assert memory.unpacked(memory.packed(pages)) == pages
    few = memory.packed(pages, 20_000)
    assert 5_000 < len(few) <= 20_000
    assert set(memory.unpacked(few)) < set(pages)
    assert memory.unpacked(memory.packed(pages, 3)) == {}


# ---- Faults


def test_one_page_that_fails_stops_nothing_and_prunes_nothing(place: Place) -> None:
    seen = Seen().run(place.connector())
    known = seen.documents()
    place.server.pages["/blog/"].status = 500
    connector = place.connector()
    seen.run(connector)
    assert seen.documents() == known
    assert not [change for change in seen.changes if isinstance(change, Complete)]
    seen.run(place.connector())
    assert [change for change in seen.changes if isinstance(change, Complete)], "it failed before, too"
    with pytest.raises(NodeError, match="this page alone") as caught:
        connector.fetch(seen.nodes[place.at("/blog/")])
    assert not caught.value.skip


def test_a_walk_that_is_broken_off_goes_on_where_it_was(place: Place) -> None:
    for number in range(80):
        place.server.pages[f"/blog/post-{number:02}.html"] = WebPage(
            f"Post {number}", f"This is what we wrote on day{number}."
        )
    whole = Seen().run(place.connector())
    seen = Seen()
    place.server.cut(after=70)
    with pytest.raises(ConnectorError):
        seen.take_all(place.connector().changes({}, ALL))
    place.server.heal()
    assert any(isinstance(change, Checkpoint) for change in seen.changes)
    place.server.requests.clear()
    seen.take_all(place.connector().changes(seen.cursor, ALL))
    assert len(place.server.requests) < 50
    seen.prune()
    assert seen.versions() == whole.versions()


def test_a_single_page_can_be_chosen(place: Place) -> None:
    seen = Seen().run(place.connector(), [Chosen(place.at("/handbook/travel/rail.html"))])
    assert paths(seen, place) == {"/handbook/travel/rail.html"}
    assert told(seen)[0] == f"dir:{place.at('/handbook/')}"


def test_a_sitemap_that_fails_is_said_and_prunes_nothing(place: Place) -> None:
    place.server.pages["/sitemap.xml"] = WebPage(body=b"oops", status=500)
    seen = Seen().run(place.connector())
    assert "until it can" in reasons(seen, place)["/sitemap.xml"]
    assert seen.documents() == set(place.documents())
    assert seen.scopes == []
    assert place.branches[0] in {node.external_id for node in place.connector().children(None)}


def test_a_link_to_a_host_that_is_no_more_is_skipped(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    real = socket.getaddrinfo

    def resolved(host: Any, *args: Any, **options: Any) -> Any:
        if str(host) == "old.acme.test":
            raise socket.gaierror(-2, "Name or service not known")
        return real("127.0.0.1" if host == "acme.test" else host, *args, **options)

    monkeypatch.setattr(socket, "getaddrinfo", resolved)
    port = place.server.base_url.rsplit(":", 1)[1]
    place.server.pages["/"].links = [f"http://old.acme.test:{port}/x.html"]
    for network in (GuardedNetwork(("acme.test",)), OPEN):
        connector = place.connector(
            around=replace(place.around, network=network), base_url=f"http://acme.test:{port}/", scope="domain"
        )
        seen = Seen().run(connector)
        said = {c.node.external_id: c.reason for c in seen.changes if isinstance(c, Skipped)}
        assert "nobody knows" in said[f"http://old.acme.test:{port}/x.html"]
        assert seen.scopes == [None]
