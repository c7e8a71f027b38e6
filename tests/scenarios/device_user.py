#!/usr/bin/env python3
"""Calls into a device by descriptors that it came by in every way there is, one kind of call for each.

    device_user.py NODE

Waits after the first open, so that a recorder that looks for devices ten times a second has found it on a busy host too.
"""
import array
import fcntl
import os
import resource
import socket
import sys
import time

CALLS = 5
MAGIC = 0xc0084600
# Numbers that no table has: a name for each way.
OPENED, DUPED, DUP2, FORKED, PASSED, MANY, EXHAUSTED, VANISHED, OTHER_FILE = range(0xe0, 0xe9)


def call(fd, number, times=CALLS):
    for _ in range(times):
        fcntl.ioctl(fd, MAGIC | number, b"\0" * 8)


def in_child(work):
    pid = os.fork()
    if pid == 0:
        work()
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0


def receive(receiver, kept):
    """A process that has only what came by a socket."""
    os.close(kept)
    _, ancillary, _, _ = receiver.recvmsg(1, socket.CMSG_LEN(4))
    call(array.array("i", ancillary[0][2][:4])[0], PASSED)


def main():
    node = sys.argv[1]
    fd = os.open(node, os.O_RDWR)
    time.sleep(4)
    call(fd, OPENED)
    call(os.dup(fd), DUPED)
    # A number that was another file's, and becomes another file's again.
    other = os.open("/dev/null", os.O_RDWR)
    os.dup2(fd, other)
    call(other, DUP2)
    null = os.open("/dev/null", os.O_RDWR)
    os.dup2(null, other)
    for _ in range(CALLS):
        try:
            fcntl.ioctl(other, MAGIC | OTHER_FILE, b"\0" * 8)
        except OSError:
            pass
    in_child(lambda: call(fd, FORKED))
    sender, receiver = socket.socketpair(socket.AF_UNIX)
    sender.sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [fd]))])
    in_child(lambda: receive(receiver, fd))
    # Ten thousand descriptors, of the device and of others, then none left.
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(10000, hard), hard))
    held = []
    try:
        while True:
            held.append(os.dup(fd if len(held) % 2 else null))
    except OSError:
        pass
    call(held[-1] if len(held) % 2 == 0 else held[-2], MANY)
    try:
        os.open(node, os.O_RDWR)
        sys.exit("a descriptor was left")
    except OSError:
        call(fd, EXHAUSTED)
    for one in held:
        os.close(one)
    # The node goes, the device stays as long as it is open.
    if len(sys.argv) > 2:
        os.system(f"umount -l {node} && rm -f {node}")
    call(fd, VANISHED)


if __name__ == "__main__":
    main()
