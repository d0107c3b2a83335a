"""Loaded before Django's settings: gives the tests a data directory of their own, so that none touches a real one."""

import atexit
import os
import shutil
import tempfile

if "ATRIUM_TEST_DATA" not in os.environ:
    directory = tempfile.mkdtemp(prefix="atrium-test-")
    os.environ["ATRIUM_TEST_DATA"] = directory
    atexit.register(shutil.rmtree, directory, ignore_errors=True)

os.environ["ATRIUM_DATA"] = os.environ["ATRIUM_TEST_DATA"]
# Nothing is collected there: files are served from where they are written. WhiteNoise warns of a directory that is missing.
os.makedirs(os.path.join(os.environ["ATRIUM_DATA"], "static"), exist_ok=True)
os.environ.setdefault("ATRIUM_LOG_LEVEL", "ERROR")
