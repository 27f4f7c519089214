"""What kafka-python (no librdkafka in it) does with a broker: each check by its name, on the brokers of the first argument."""
import sys
import threading
import time

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import NewPartitions, NewTopic
from kafka.errors import TopicAlreadyExistsError

BROKERS, CHECK = sys.argv[1].split(","), sys.argv[2]
TOPIC = "python-" + CHECK


def make_topic(partitions=2):
    client = KafkaAdminClient(bootstrap_servers=BROKERS)
    client.create_topics([NewTopic(TOPIC, partitions, 3)], timeout_ms=20000)
    client.close()


def send(values, **settings):
    sender = KafkaProducer(bootstrap_servers=BROKERS, acks="all", retries=5, **settings)
    futures = [sender.send(TOPIC, value.encode(), key=value.encode()) for value in values]
    sender.flush(30)
    offsets = [future.get(10).offset for future in futures]
    sender.close()
    return offsets


def consumer(**settings):
    return KafkaConsumer(
        bootstrap_servers=BROKERS,
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        session_timeout_ms=6000,
        heartbeat_interval_ms=500,
        **settings,
    )


def read(member, count, seconds=30):
    values = []
    until = time.time() + seconds
    while len(values) < count:
        assert time.time() < until, f"got {len(values)} of {count}"
        for records in member.poll(500).values():
            values += [record.value.decode() for record in records]
    return values


def produce():
    make_topic()
    offsets = send([str(n) for n in range(300)])
    assert min(offsets) == 0, offsets[:5]
    send([f"zipped {n}" for n in range(100)], compression_type="gzip", linger_ms=20)
    member = consumer()
    partitions = [TopicPartition(TOPIC, n) for n in range(2)]
    member.assign(partitions)
    values = read(member, 400)
    assert sorted(value for value in values if value.isdigit()) == sorted(str(n) for n in range(300))
    assert sum(member.end_offsets(partitions).values()) == 400
    assert set(member.beginning_offsets(partitions).values()) == {0}
    member.close()


class Along(threading.Thread):
    """Polls until it is ended: a poll of this client waits for its group, so each member has a thread of its own."""

    def __init__(self, member):
        super().__init__(daemon=True)
        self.member, self.values, self.is_ending = member, [], threading.Event()
        self.start()

    def run(self):
        while not self.is_ending.is_set():
            records = [record for some in self.member.poll(200).values() for record in some]
            self.values += [record.value.decode() for record in records]
            # At once: a rebalance would take it back to what is committed.
            if records:
                self.member.commit()
        self.member.close()

    def end(self):
        self.is_ending.set()
        self.join(40)
        assert not self.is_alive(), "it did not leave"


def group():
    make_topic(4)
    members = [consumer(group_id=TOPIC) for _ in range(2)]
    for member in members:
        member.subscribe([TOPIC])
    members = [Along(member) for member in members]
    until = time.time() + 40
    while sorted(len(along.member.assignment()) for along in members) != [2, 2]:
        assert time.time() < until, [along.member.assignment() for along in members]
        time.sleep(0.1)
    send([str(n) for n in range(10)])
    while sum(len(along.values) for along in members) < 10:
        assert time.time() < until, [along.values for along in members]
        time.sleep(0.1)
    assert sorted(members[0].values + members[1].values) == sorted(str(n) for n in range(10))
    for along in members:
        along.end()
    send(["after"])
    again = consumer(group_id=TOPIC)
    again.subscribe([TOPIC])
    assert read(again, 1) == ["after"], "what was committed is not read again"
    again.close()


def administration():
    make_topic(1)
    client = KafkaAdminClient(bootstrap_servers=BROKERS)
    assert TOPIC in client.list_topics()
    client.create_partitions({TOPIC: NewPartitions(3)})
    [described] = client.describe_topics([TOPIC])
    assert len(described["partitions"]) == 3, described
    try:
        client.create_topics([NewTopic(TOPIC, 1, 3)])
        raise AssertionError("a topic was made twice")
    except TopicAlreadyExistsError:
        pass
    client.delete_topics([TOPIC], timeout_ms=20000)
    until = time.time() + 10
    while TOPIC in client.list_topics():
        assert time.time() < until, "it is still listed"
    client.close()


{function.__name__: function for function in [produce, group, administration]}[CHECK]()
print("good")
