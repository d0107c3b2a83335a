"""What a reading child gives up before it sees a file: network, other programs, other files, unbounded resources.

Linux only, through ctypes: a network namespace, a seccomp filter and Landlock; each that the system refuses is named
in what ``lock_down`` returns, and the rest still holds. Elsewhere only the resource limits hold. Sources: the man
pages unshare(2), seccomp(2), landlock(7), prctl(2), and linux/{seccomp,filter,landlock,audit}.h.
"""

from __future__ import annotations

import ctypes
import os
import platform
import resource
import struct
import sys
from collections.abc import Iterable, Mapping

_CLONE_NEWUSER, _CLONE_NEWNET = 0x10000000, 0x40000000
_PR_SET_DUMPABLE, _PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP, _SECCOMP_MODE_FILTER = 4, 38, 22, 2
_LANDLOCK_CREATE, _LANDLOCK_ADD, _LANDLOCK_RESTRICT = 444, 445, 446
_LANDLOCK_ALL = (1 << 13) - 1
_LANDLOCK_READ = (1 << 2) | (1 << 3)

_DENIED = {
    # socket, connect, bind, listen, execve, execveat, ptrace, process_vm_readv, process_vm_writev, kill,
    # io_uring_setup, mount, bpf, keyctl, add_key, request_key, userfaultfd, perf_event_open
    "x86_64": (
        0xC000003E,
        (41, 42, 49, 50, 59, 322, 101, 310, 311, 62, 425, 165, 321, 250, 248, 249, 323, 298),
    ),
    "aarch64": (
        0xC00000B7,
        (198, 203, 200, 201, 221, 281, 117, 270, 271, 129, 425, 40, 280, 219, 217, 218, 282, 241),
    ),
}


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _error() -> str:
    return os.strerror(ctypes.get_errno())


def lower_limits(*, memory_bytes: int, file_bytes: int) -> None:
    """Bounds that no file may pass. ``memory_bytes`` comes on top of the address space in use now."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (file_bytes, file_bytes))
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
    if sys.platform == "linux":
        with open("/proc/self/statm") as statm:
            in_use = int(statm.read().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (in_use + memory_bytes, in_use + memory_bytes))


def allow_more_cpu(seconds: int) -> None:
    """The next file may burn ``seconds`` of CPU; past that the kernel ends the process with SIGXCPU."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    soft = int(used.ru_utime + used.ru_stime) + 1 + seconds
    hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
    resource.setrlimit(resource.RLIMIT_CPU, (soft, hard))


def leave_network() -> str:
    """A network namespace with nothing in it; empty, or why not. Must run before any thread starts."""
    if sys.platform != "linux":
        return f"no network namespace on {sys.platform}"
    libc = _libc()
    if libc.unshare(_CLONE_NEWNET) == 0 or libc.unshare(_CLONE_NEWUSER | _CLONE_NEWNET) == 0:
        return ""
    return f"no network namespace: {_error()}"


def lock_down(readable: Iterable[str], scratch: str) -> list[str]:
    """Give up everything else: only files below ``readable`` can be read, and only ``scratch`` be written.

    Returns what the system refused. Must run before any thread starts: these bind the calling thread and its children.
    """
    if sys.platform != "linux":
        return [f"no seccomp and no Landlock on {sys.platform}"]
    libc = _libc()
    refused = []
    libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0):
        refused.append(f"no_new_privs: {_error()}")
    if problem := _landlock(libc, {**dict.fromkeys(readable, _LANDLOCK_READ), scratch: _LANDLOCK_ALL}):
        refused.append(problem)
    if problem := _seccomp(libc):
        refused.append(problem)
    return refused


def _landlock(libc: ctypes.CDLL, allowed: Mapping[str, int]) -> str:
    rules = struct.pack("Q", _LANDLOCK_ALL)
    ruleset = libc.syscall(_LANDLOCK_CREATE, rules, len(rules), 0)
    if ruleset < 0:
        return f"no Landlock: {_error()}"
    try:
        for path, rights in allowed.items():
            if not os.path.isdir(path):
                continue
            folder = os.open(path, os.O_PATH | os.O_CLOEXEC)
            try:
                beneath = struct.pack("=Qi", rights, folder)
                if libc.syscall(_LANDLOCK_ADD, ruleset, 1, beneath, 0):
                    return f"no Landlock rule: {_error()}"
            finally:
                os.close(folder)
        return f"no Landlock: {_error()}" if libc.syscall(_LANDLOCK_RESTRICT, ruleset, 0) else ""
    finally:
        os.close(ruleset)


def _seccomp(libc: ctypes.CDLL) -> str:
    """A filter that answers EPERM to what a reader of files never needs, on the architectures we know."""
    known = _DENIED.get(platform.machine())
    if known is None:
        return f"no seccomp filter for {platform.machine()}"
    arch, denied = known
    load, jump_equal, give_back = 0x20, 0x15, 0x06
    allow, refuse, kill = 0x7FFF0000, 0x00050000 | 1, 0x80000000
    program = [(load, 0, 0, 4), (jump_equal, 1, 0, arch), (give_back, 0, 0, kill), (load, 0, 0, 0)]
    for index, number in enumerate(denied):
        program.append((jump_equal, len(denied) - index, 0, number))
    program += [(give_back, 0, 0, allow), (give_back, 0, 0, refuse)]
    code = b"".join(struct.pack("HBBI", *line) for line in program)
    buffer = ctypes.create_string_buffer(code, len(code))
    header = struct.pack("HL", len(program), ctypes.addressof(buffer))
    if libc.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, header, 0, 0):
        return f"no seccomp filter: {_error()}"
    return ""
