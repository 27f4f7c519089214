"""A participant of a bus in Python: a producer or a consumer beside the real router and its other peers.

It is written from the contract's table of the segment (design 4.2) and from nothing of this project's code: `mmap` for the memory, `struct` for its
words, `fcntl` for the liveness locks. What Python has not are the processor's atomic accesses and the futex: `ctypes` calls libatomic and
the kernel for these.

Usage: peer.py DIRECTORY SEGMENT consume SUBSCRIPTION [COUNT]   until COUNT came, its lane was taken, or a line "stop" came
       peer.py DIRECTORY SEGMENT produce TOPIC COUNT ID
Says JSON, a line each.
"""

import ctypes
import fcntl
import json
import mmap
import os
import platform
import random
import select
import struct
import sys
import time

PAGE = 1024  # words
FREE, CLAIMED, READY, LIVE, LEAVING, DRAINING, FENCED, ACKED = range(8)
PRODUCER, CONSUMER = 1, 2
STATE_NAMES = ("free", "claimed", "ready", "live", "leaving", "draining", "fenced", "acked")

libc = ctypes.CDLL(None, use_errno=True)
SEQ_CST = 5
SYS_FUTEX = {"x86_64": 202, "aarch64": 98}[platform.machine()]
FUTEX_WAIT, FUTEX_WAKE = 0, 1

libatomic = ctypes.CDLL("libatomic.so.1")


def atomic(name, restype, *argtypes):
    function = getattr(libatomic, name)
    function.restype, function.argtypes = restype, argtypes
    return function


WORD = ctypes.c_uint32
ADDRESS = ctypes.c_void_p
atomic_load = atomic("__atomic_load_4", WORD, ADDRESS, ctypes.c_int)
atomic_store = atomic("__atomic_store_4", None, ADDRESS, WORD, ctypes.c_int)
atomic_add = atomic("__atomic_fetch_add_4", WORD, ADDRESS, WORD, ctypes.c_int)
atomic_or = atomic("__atomic_fetch_or_4", WORD, ADDRESS, WORD, ctypes.c_int)
atomic_swap = atomic("__atomic_compare_exchange_4", ctypes.c_bool, ADDRESS, ADDRESS, WORD, ctypes.c_int, ctypes.c_int)


def say(**what):
    print(json.dumps(what), flush=True)


def distance(to, since):
    """Messages from one cursor to another: cursors are u32 and wrap."""
    away = (to - since) & 0xFFFFFFFF
    return away - (1 << 32) if away >= 1 << 31 else away


class Refused(Exception):
    pass


class Segment:
    """The mapping, and where its parts lie."""

    def __init__(self, directory, name):
        with open(os.path.join(directory, name + ".json"), encoding="utf-8") as file:
            says = json.load(file)
        paths = [says["place"]] if says["place"] else ["/proc/%d/fd/%d" % (it["pid"], it["fd"]) for it in says["holders"]]
        if says["backing"] == "tmpfs":
            # Beside this file: its maker may have the directory at another path.
            paths = [os.path.join(directory, os.path.basename(says["place"]))]
        for path in paths:
            try:
                self.fd = os.open(path, os.O_RDWR)
                break
            except FileNotFoundError:
                continue
        self.memory = mmap.mmap(self.fd, says["bytes"])
        self.base = ctypes.addressof(ctypes.c_char.from_buffer(self.memory))
        self.locks = os.open(os.path.join(directory, name + ".lock"), os.O_RDWR)
        header = struct.unpack_from("<15I", self.memory, 0)
        if header[0] != int.from_bytes(b"HFIB", "little") or header[1] != 2:
            raise Refused("no segment of version 2")
        if header[14] != crc32c(self.memory[:56]):
            raise Refused("the header's checksum is wrong")
        self.generation = header[3]
        self.producers, self.lanes, self.topics = header[8], header[9], header[13]
        self.slots, self.lane_ring, self.slot_words = 1 << header[10], 1 << header[11], header[12] // 4
        self._next = PAGE
        self.producer_seats = self._part(self.producers * 64)
        self.lane_seats = self._part(self.lanes * 64)
        self.producer_cursors = self._part(self.producers * 64)
        self.lane_cursors = self._part(self.lanes * 64)
        self._part(2 * PAGE)  # redo record
        self._part(2 * PAGE)  # sample
        self.topic_names = self._part(self.topics * 16)
        self.subscriptions = self._part(64 * 256)
        self.sources = self._part(self.producers * self.slots * 4)
        self.returns = self._part(self.producers * self.slots)
        self.lane_rings = self._part(self.lanes * self.lane_ring * 4)
        self.pools = self._part(self.producers * self.slots * self.slot_words)
        if self._next != header[2] * PAGE:
            raise Refused("the parts end at word %d, the header says %d" % (self._next, header[2] * PAGE))

    def _part(self, words):
        start = self._next
        self._next = (start + words + PAGE - 1) // PAGE * PAGE
        return start

    def load(self, word):
        return atomic_load(self.base + word * 4, SEQ_CST)

    def store(self, word, value):
        atomic_store(self.base + word * 4, value & 0xFFFFFFFF, SEQ_CST)

    def add(self, word, value):
        atomic_add(self.base + word * 4, value, SEQ_CST)

    def set_bits(self, word, bits):
        atomic_or(self.base + word * 4, bits, SEQ_CST)

    def swap(self, word, expected, value):
        found = ctypes.c_uint32(expected)
        return atomic_swap(self.base + word * 4, ctypes.addressof(found), value & 0xFFFFFFFF, SEQ_CST, SEQ_CST)

    def words(self, word, count):
        return struct.unpack_from("<%dI" % count, self.memory, word * 4)

    def put(self, word, *values):
        struct.pack_into("<%dI" % len(values), self.memory, word * 4, *(value & 0xFFFFFFFF for value in values))

    def text(self, word, room):
        return self.memory[word * 4 : word * 4 + room].split(b"\0", 1)[0].decode()

    def put_text(self, word, room, text):
        raw = text.encode()[:room]
        self.memory[word * 4 : word * 4 + room] = raw + bytes(room - len(raw))

    def wait(self, word, expected, seconds):
        bound = struct.pack("qq", 0, int(seconds * 1e9))
        libc.syscall(SYS_FUTEX, ctypes.c_void_p(self.base + word * 4), FUTEX_WAIT, ctypes.c_uint32(expected), bound, 0, 0)

    def wake_router(self):
        if self.load(64) == 0:
            return
        self.add(65, 1)
        libc.syscall(SYS_FUTEX, ctypes.c_void_p(self.base + 65 * 4), FUTEX_WAKE, 1, 0, 0, 0)

    def ring_seats_bell(self):
        self.add(98, 1)
        self.wake_router()

    def lock(self, byte):
        """A lock of the open file description: it ends with this process, however that ends."""
        try:
            fcntl.fcntl(self.locks, fcntl.F_OFD_SETLK, struct.pack("hhqqi", fcntl.F_WRLCK, os.SEEK_SET, byte, 1, 0))
            return True
        except OSError:
            return False

    def unlock(self, byte):
        fcntl.fcntl(self.locks, fcntl.F_OFD_SETLK, struct.pack("hhqqi", fcntl.F_UNLCK, os.SEEK_SET, byte, 1, 0))


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


class Seat:
    """A seat of this process, from FREE to LIVE and back."""

    def __init__(self, segment, kind, name, subscription=0):
        self.segment = segment
        count = segment.producers if kind == PRODUCER else segment.lanes
        seats = segment.producer_seats if kind == PRODUCER else segment.lane_seats
        cursors = segment.producer_cursors if kind == PRODUCER else segment.lane_cursors
        before = 0 if kind == PRODUCER else segment.producers
        first = 1 + (segment.generation - 1) % 31 * 128
        for number in range(count):
            self.at, self.cursors, self.lock = seats + number * 64, cursors + number * 64, first + before + number
            if self._claim():
                self.number = number
                self._introduce(kind, name, subscription)
                self._become_live()
                return
        raise Refused("no seat is free")

    def _claim(self):
        word = self.segment.load(self.at)
        if word & 15 != FREE or not self.segment.lock(self.lock):
            return False
        self.epoch = ((word >> 4) + 1) & 0x0FFFFFFF
        if self.segment.swap(self.at, word, self.word(CLAIMED)):
            return True
        self.segment.unlock(self.lock)
        return False

    def word(self, state):
        return self.epoch << 4 | state

    def state(self):
        word = self.segment.load(self.at)
        return word & 15 if word >> 4 == self.epoch else FREE

    def _introduce(self, kind, name, subscription):
        with open("/proc/self/stat", encoding="utf-8") as file:
            start = int(file.read().rsplit(")", 1)[1].split()[19])
        space = int(os.readlink("/proc/self/ns/pid").split("[")[1][:-1])
        put = self.segment.put
        put(self.at + 1, kind, os.getpid(), start, start >> 32, space, random.getrandbits(32))
        put(self.at + 7, *([0] * 9))
        put(self.at + 10, subscription)
        put(self.at + 32, *([0] * 32))
        self.segment.put_text(self.at + 16, 64, name)

    def _become_live(self):
        if not self.segment.swap(self.at, self.word(CLAIMED), self.word(READY)):
            raise Refused("the seat was taken back while it was claimed")
        self.segment.ring_seats_bell()
        end = time.monotonic() + 10
        while self.segment.load(self.at) == self.word(READY):
            if time.monotonic() > end:
                raise Refused("no router answers")
            time.sleep(0.001)
        if self.state() != LIVE:
            raise Refused(self.segment.text(self.at + 34, 116) or STATE_NAMES[self.state()])

    def is_live(self):
        return self.segment.load(self.at) == self.word(LIVE)

    def topic(self, name):
        """Asks the router for a topic's number through the mailbox."""
        segment = self.segment
        segment.put_text(self.at + 34, 116, name)
        segment.put(self.at + 32, 1)
        asked = (segment.load(self.at + 14) + 1) & 0xFFFFFFFF
        segment.store(self.at + 14, asked)
        segment.ring_seats_bell()
        while segment.load(self.at + 15) != asked:
            time.sleep(0.001)
        result = segment.load(self.at + 33)
        if result == 0xFFFFFFFF:
            raise Refused(segment.text(self.at + 34, 116))
        return result

    def acknowledge(self):
        """Says that the fence is known: nothing is written in this seat any more."""
        if self.segment.swap(self.at, self.word(FENCED), self.word(ACKED)):
            self.segment.ring_seats_bell()
        self.segment.unlock(self.lock)

    def leave(self):
        if not self.segment.swap(self.at, self.word(LIVE), self.word(LEAVING)):
            self.acknowledge()
            return
        self.segment.ring_seats_bell()
        end = time.monotonic() + 20
        while self.state() != FREE:
            if time.monotonic() > end:
                raise Refused("the router does not free the seat")
            time.sleep(0.001)
        self.segment.unlock(self.lock)

    def sleep(self, flag, wake, look, seconds=0.05):
        """One sleep on the wake sequence, unless there is something already."""
        self.segment.store(self.cursors + flag, 1)
        expected = self.segment.load(self.cursors + wake)
        if not look():
            self.segment.wait(self.cursors + wake, expected, seconds)
        self.segment.store(self.cursors + flag, 0)


class Producer(Seat):
    def __init__(self, segment, name):
        super().__init__(segment, PRODUCER, name)
        self.ring = segment.sources + self.number * segment.slots * 4
        self.returns = segment.returns + self.number * segment.slots
        self.pool = segment.pools + self.number * segment.slots * segment.slot_words
        self.home = list(range(segment.slots))
        self.tail = segment.load(self.cursors)
        self.return_head = segment.load(self.cursors + 1)
        self.sequence = 0

    def fetch(self):
        tail = self.segment.load(self.cursors + 33)
        while self.return_head != tail:
            (slot,) = self.segment.words(self.returns + self.return_head % self.segment.slots, 1)
            self.home.append(slot)
            self.return_head = (self.return_head + 1) & 0xFFFFFFFF
        self.segment.store(self.cursors + 1, tail)
        return len(self.home) > 0

    def publish(self, topic, payload, key=0):
        segment = self.segment
        while not self.home and not self.fetch():
            if not self.flush():
                return False
            self.sleep(2, 34, lambda: segment.load(self.cursors + 33) != self.return_head or not self.is_live())
        slot = self.home.pop()
        at = self.pool + slot * segment.slot_words
        segment.put(at, self.sequence, len(payload), 0, 0)
        segment.memory[at * 4 + 16 : at * 4 + 16 + len(payload)] = payload
        key_hash = (key * 0x9E3779B1 & 0xFFFFFFFF) >> 16
        entry = self.ring + self.tail % segment.slots * 4
        segment.put(entry, slot, len(payload), topic | key_hash << 16, self.sequence)
        self.sequence += 1
        self.tail = (self.tail + 1) & 0xFFFFFFFF
        return True

    def flush(self):
        self.segment.store(self.cursors, self.tail)
        self.segment.set_bits(96 + self.number // 32, 1 << self.number % 32)
        self.segment.wake_router()
        return self.is_live()


class Consumer(Seat):
    def __init__(self, segment, name, subscription):
        super().__init__(segment, CONSUMER, name, subscription)
        self.ring = segment.lane_rings + self.number * segment.lane_ring * 4
        self.head = segment.load(self.cursors)

    def receive(self, most=64):
        """Messages, or None once the lane was taken. What was received before is done."""
        segment = self.segment
        segment.store(self.cursors + 1, self.head)
        for _ in range(8):
            head = segment.load(self.cursors)
            if (head ^ self.head) & 0x80000000 and abs(distance(head, self.head)) >= 1 << 30:
                return [] if self.is_live() else None  # frozen
            self.head = head
            count = min(distance(segment.load(self.cursors + 32), head), most)
            if count <= 0:
                return [] if self.is_live() else None
            copies = [self._copy((head + index) & 0xFFFFFFFF) for index in range(count)]
            if segment.swap(self.cursors, head, head + count):
                self.head = (head + count) & 0xFFFFFFFF
                segment.wake_router()
                return copies
        return []

    def _copy(self, cursor):
        segment = self.segment
        owner_slot, length_flags, topic_key, sequence = segment.words(self.ring + cursor % segment.lane_ring * 4, 4)
        producer, slot, length = owner_slot >> 20, owner_slot & 0xFFFFF, length_flags & 0xFFFFFF
        at = (segment.pools + (producer * segment.slots + slot) * segment.slot_words) * 4 + 16
        return producer, sequence, topic_key & 0xFFFF, length_flags >> 24, segment.memory[at : at + length]

    def rest(self):
        load = self.segment.load
        self.sleep(2, 34, lambda: load(self.cursors + 32) != load(self.cursors) or not self.is_live())


def consume(segment, subscription, count):
    for record in range(64):
        at = segment.subscriptions + record * 256
        if segment.load(at) != 0 and segment.text(at + 16, 64) == subscription:
            break
    else:
        raise Refused("no subscription " + subscription)
    consumer = Consumer(segment, "python-%d" % os.getpid(), record)
    say(said="live", lane=consumer.number, pid=os.getpid())
    received = 0
    while received < count:
        messages = consumer.receive()
        if messages is None:
            consumer.acknowledge()
            say(said="fenced", received=received)
            return
        for producer, sequence, topic, flags, payload in messages:
            say(said="message", producer=producer, sequence=sequence, topic=topic, flags=flags, payload=payload.hex())
        received += len(messages)
        if not messages:
            if select.select([sys.stdin], [], [], 0)[0]:
                break
            consumer.rest()
    segment.store(consumer.cursors + 1, consumer.head)
    consumer.leave()
    say(said="left", received=received)


def produce(segment, topic_name, count, sender):
    producer = Producer(segment, "python-%d" % os.getpid())
    topic = producer.topic(topic_name)
    say(said="live", producer=producer.number, topic=topic, pid=os.getpid())
    for number in range(count):
        filler = bytes((sender + number + place) % 256 for place in range(number % 97))
        if not producer.publish(topic, struct.pack("<II", sender, number) + filler):
            producer.acknowledge()
            say(said="fenced", sent=number)
            return
        if number % 32 == 0:
            producer.flush()
    producer.flush()
    producer.leave()
    say(said="left", sent=count)


if __name__ == "__main__":
    segment = Segment(sys.argv[1], sys.argv[2])
    if sys.argv[3] == "consume":
        consume(segment, sys.argv[4], int(sys.argv[5]) if len(sys.argv) > 5 else 1 << 40)
    else:
        produce(segment, sys.argv[4], int(sys.argv[5]), int(sys.argv[6]))
