"""The beginnings of the next channels' histories, read while those before are told: most of a run is waiting for Slack."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType

from datasources.connectors.slack.client import Page, Said
from datasources.connectors.slack.history import History, Span

AT_ONCE = 2
"""Calls under way: Slack counts calls by the minute, so that more of them would only be refused sooner."""
AHEAD = 6
"""Pages that are held at most; each is up to a megabyte."""


class Ahead:
    """``wanted``: channels with the spans that will be asked for, in that order; those in between may be left out.

    Where a call fails, no further one is begun, and the error comes where that page is asked for. To be used as a context
    manager, which waits for what is under way.
    """

    def __init__(self, history: History, wanted: Iterable[tuple[str, Span]]) -> None:
        self._history = history
        self._wanted: Iterator[tuple[str, Span]] = iter(wanted)
        self._begun: deque[tuple[str, Span, Future[Page | None]]] = deque()
        self._failed = False
        self._pool = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="slack-ahead")

    def __enter__(self) -> Ahead:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._failed = True
        self._pool.shutdown(wait=True, cancel_futures=True)

    def first(self, channel: str, span: Span) -> Page:
        """The first page of this history. Raises what the call raised."""
        self._fill()
        while self._begun:
            found, asked, page = self._begun.popleft()
            if (found, asked) != (channel, span):
                page.cancel()
            elif (read := page.result()) is not None:
                return read
            else:
                break
        return self._history.first(channel, span)

    def _fill(self) -> None:
        while not self._failed and len(self._begun) < AHEAD:
            following = next(self._wanted, None)
            if following is None:
                return
            self._begun.append((*following, self._pool.submit(self._read, *following)))

    def _read(self, channel: str, span: Span) -> Page | None:
        """None where another call failed before this one was begun."""
        if self._failed:
            return None
        try:
            return self._history.first(channel, span)
        except Said:
            raise  # of this channel alone
        except Exception:
            self._failed = True
            raise
