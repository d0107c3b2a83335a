#!/usr/bin/env bash
# Makes the virtual environment with uv in it. Arguments: the Python to use, and where. One clear sentence for each failure.
set -euo pipefail
python="$1"
venv="$2"
command -v "$python" >/dev/null || { echo "Atrium needs Python 3.11 or newer; there is no '$python' here. Install it, or name one: make run PYTHON=python3.12" >&2; exit 1; }
"$python" - <<'PY' || exit 1
import platform, sys
if sys.version_info < (3, 11):
    sys.exit(f"Atrium needs Python 3.11 or newer; this is {platform.python_version()}. Name another: make run PYTHON=python3.12")
system, machine = platform.system(), platform.machine().lower()
if system not in ("Linux", "Darwin") or machine not in ("x86_64", "amd64", "arm64", "aarch64"):
    sys.exit(f"There are no packages of the embedded database and index for {system} on {machine}; use Linux or macOS on x86-64 or ARM64.")
if system == "Linux" and platform.libc_ver()[0] != "glibc":
    sys.exit("The embedded database and index need a Linux with glibc (Debian, Ubuntu, Fedora …); this one has another C library.")
PY
"$python" -c "import venv, ensurepip" 2>/dev/null || { echo "This Python lacks the venv module. On Debian or Ubuntu: apt-get install python3-venv" >&2; exit 1; }
{ mkdir -p "$venv" && [ -w "$venv" ]; } 2>/dev/null || { echo "$venv can't be made or written here. Copy Atrium to a directory of yours, or mend the rights of this one." >&2; exit 1; }
echo "Making a virtual environment in $venv…"
[ -x "$venv/bin/python" ] || "$python" -m venv "$venv"
"$venv/bin/python" -m pip install -q --disable-pip-version-check --require-hashes -r requirements-bootstrap.lock || {
  echo "The installer uv could not be installed. Is the package index reachable from here?" >&2; exit 1; }
