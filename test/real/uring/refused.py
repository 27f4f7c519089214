"""Runs a program under a seccomp filter that answers a system call with an error: refused.py CALL ERRNO PROGRAM [WORD ...].

A call whose second argument is 0 is let through: by one of futex_waitv(2) for no word programs learn whether the kernel has it.
"""
import ctypes
import os
import struct
import sys

# The numbers are the same on every architecture that Linux gained after alpha.
CALLS = {"io_uring_setup": 425, "futex_waitv": 449}
# Of struct seccomp_data: the low half of the second argument, on a little-endian machine.
SECOND_ARGUMENT = 24
LOAD, JUMP_IF_EQUAL, RETURN = 0x20, 0x15, 0x06
ALLOW, ERRNO = 0x7FFF0000, 0x00050000
PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 38, 22, 2

code = b"".join(
    struct.pack("HBBI", *instruction)
    for instruction in [
        (LOAD, 0, 0, 0),
        (JUMP_IF_EQUAL, 0, 3, CALLS[sys.argv[1]]),
        (LOAD, 0, 0, SECOND_ARGUMENT),
        (JUMP_IF_EQUAL, 1, 0, 0),
        (RETURN, 0, 0, ERRNO | int(sys.argv[2])),
        (RETURN, 0, 0, ALLOW),
    ]
)


class Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_char_p)]


libc = ctypes.CDLL(None, use_errno=True)
program = Program(len(code) // 8, code)
if libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 or libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.byref(program)) != 0:
    sys.exit("seccomp: " + os.strerror(ctypes.get_errno()))
os.execv(sys.argv[3], sys.argv[3:])
