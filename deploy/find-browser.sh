#!/usr/bin/env bash
# Prints a Chromium for the browser tests. Argument: the virtual environment.
set -euo pipefail
for name in "${ATRIUM_CHROMIUM:-}" chromium chromium-browser google-chrome google-chrome-stable; do
  [ -n "$name" ] && command -v "$name" 2>/dev/null && exit 0
done
"$1/bin/python" -m playwright install chromium >&2 && "$1/bin/python" - <<'PY' && exit 0
from playwright.sync_api import sync_playwright

with sync_playwright() as p:
    print(p.chromium.executable_path)
PY
echo "The browser tests need Chromium. On Debian or Ubuntu: apt-get install chromium. Or name one with ATRIUM_CHROMIUM." >&2
exit 1
