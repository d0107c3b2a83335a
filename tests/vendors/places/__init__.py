"""Vendors of places (Slack, Notion …) on loopback: each speaks its documented API over HTTP, for tests and for bench."""
