"""What confluent-kafka (librdkafka) does with a broker: each check by its name, on the brokers of the first argument."""
import sys
import time

from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, ConfigResource, NewPartitions, NewTopic

BROKERS, CHECK = sys.argv[1], sys.argv[2]
TOPIC = "confluent-" + CHECK


def admin():
    return AdminClient({"bootstrap.servers": BROKERS})


def make_topic(name=TOPIC, partitions=2):
    client = admin()  # kept: its requests end with it
    for future in client.create_topics([NewTopic(name, partitions, 3)], operation_timeout=10).values():
        future.result(20)


def producer(**settings):
    config = {"bootstrap.servers": BROKERS, "acks": "all"}
    config.update({name.replace("_", "."): value for name, value in settings.items()})
    return Producer(config)


def consumer(group, **settings):
    config = {
        "bootstrap.servers": BROKERS,
        "group.id": group,
        "auto.offset.reset": "earliest",
        "enable.auto.commit": False,
        "session.timeout.ms": 6000,
    }
    config.update({name.replace("_", "."): value for name, value in settings.items()})
    return Consumer(config)


def send(values, topic=TOPIC, **settings):
    errors = []
    sender = producer(**settings)
    for value in values:
        sender.produce(topic, value, key=value, on_delivery=lambda error, _: errors.append(error) if error else None)
    assert sender.flush(30) == 0, "not all delivered"
    assert errors == [], errors


def read(member, count, seconds=30):
    values = []
    until = time.time() + seconds
    while len(values) < count:
        assert time.time() < until, f"got {len(values)} of {count}"
        message = member.poll(0.5)
        if message is None:
            continue
        assert message.error() is None, message.error()
        values.append(message.value().decode())
    return values


def idempotent():
    make_topic()
    values = [str(n) for n in range(500)]
    send(values, enable_idempotence=True, linger_ms=1)
    member = consumer(TOPIC)
    member.subscribe([TOPIC])
    assert sorted(read(member, 500), key=int) == values
    assert member.poll(0.5) is None
    member.close()


def codecs():
    make_topic()
    for codec in ["none", "gzip", "snappy", "lz4", "zstd"]:
        send([f"{codec} {n} {'x' * 200}" for n in range(100)], compression_type=codec, linger_ms=20)
    member = consumer(TOPIC)
    member.subscribe([TOPIC])
    values = read(member, 500)
    for codec in ["none", "gzip", "snappy", "lz4", "zstd"]:
        assert sum(1 for value in values if value.startswith(codec + " ")) == 100, codec
    member.close()


def group():
    make_topic(partitions=4)
    first, second = consumer(TOPIC), consumer(TOPIC)
    first.subscribe([TOPIC])
    second.subscribe([TOPIC])
    until = time.time() + 40
    while sorted([len(first.assignment()), len(second.assignment())]) != [2, 2]:
        assert time.time() < until, (first.assignment(), second.assignment())
        first.poll(0.2)
        second.poll(0.2)
    send([str(n) for n in range(10)])
    got = []
    until = time.time() + 30
    while len(got) < 10:
        assert time.time() < until, got
        for member in (first, second):
            message = member.poll(0.2)
            if message is not None and message.error() is None:
                got.append(message.value().decode())
                member.commit(message, asynchronous=False)
    second.close()
    first.close()
    send(["after"])
    again = consumer(TOPIC)
    again.subscribe([TOPIC])
    assert read(again, 1) == ["after"], "what was committed is not read again"
    again.close()


def transactions():
    make_topic()
    make_topic(TOPIC + "-source", 1)
    send(["in"], topic=TOPIC + "-source")
    source = consumer(TOPIC)
    source.subscribe([TOPIC + "-source"])
    read(source, 1)
    sender = Producer({"bootstrap.servers": BROKERS, "transactional.id": TOPIC, "transaction.timeout.ms": 10000})
    sender.init_transactions(20)
    sender.begin_transaction()
    sender.produce(TOPIC, "aborted")
    sender.flush(10)
    sender.abort_transaction(20)
    sender.begin_transaction()
    for n in range(5):
        sender.produce(TOPIC, f"committed {n}")
    position = source.position(source.assignment())
    sender.send_offsets_to_transaction(position, source.consumer_group_metadata(), 20)
    sender.commit_transaction(20)
    reader = consumer(TOPIC + "-reader", isolation_level="read_committed")
    reader.subscribe([TOPIC])
    assert sorted(read(reader, 5)) == [f"committed {n}" for n in range(5)]
    assert reader.poll(1) is None
    committed = source.committed([TopicPartition(TOPIC + "-source", 0)], 10)
    assert committed[0].offset == 1, committed
    fresh = Producer({"bootstrap.servers": BROKERS, "transactional.id": TOPIC, "transaction.timeout.ms": 10000})
    fresh.init_transactions(20)
    try:
        sender.begin_transaction()
        sender.produce(TOPIC, "fenced")
        sender.commit_transaction(20)
        raise AssertionError("a fenced producer committed")
    except KafkaException as error:
        assert error.args[0].fatal(), error
    reader.close()
    source.close()


def administration():
    make_topic(partitions=1)
    client = admin()
    for future in client.create_partitions([NewPartitions(TOPIC, 3)], operation_timeout=10).values():
        future.result(20)
    until = time.time() + 10
    while len(client.list_topics(TOPIC, 10).topics[TOPIC].partitions) != 3:
        assert time.time() < until
    listed = client.list_topics(timeout=10)
    assert sorted(listed.brokers) == [1, 2, 3], listed.brokers
    assert TOPIC in listed.topics
    resource = ConfigResource("topic", TOPIC, set_config={"retention.ms": "86400000"})
    for future in client.alter_configs([resource]).values():
        future.result(20)
    for future in client.describe_configs([ConfigResource("topic", TOPIC)]).values():
        assert future.result(20)["retention.ms"].value == "86400000"
    try:
        for future in client.create_topics([NewTopic(TOPIC, 1, 3)]).values():
            future.result(20)
        raise AssertionError("a topic was made twice")
    except KafkaException as error:
        assert error.args[0].name() == "TOPIC_ALREADY_EXISTS", error
    for future in client.delete_topics([TOPIC], operation_timeout=10).values():
        future.result(20)
    until = time.time() + 10
    while TOPIC in client.list_topics(timeout=10).topics:
        assert time.time() < until, "it is still listed"


{function.__name__: function for function in [idempotent, codecs, group, transactions, administration]}[CHECK]()
print("good")
