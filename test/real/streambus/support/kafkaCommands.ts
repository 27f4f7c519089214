/** Kafka's scripts `kafka-topics.sh` and `kafka-acls.sh`, as far as librdkafka's tests call them, over kafkajs. */
import kafkajs, { type AclEntry, type AclOperationTypes, type Admin } from 'kafkajs';

const { AclOperationTypes: operationTypes, AclPermissionTypes, AclResourceTypes, Kafka, logLevel } = kafkajs;
const { ResourcePatternTypes } = kafkajs;

const [script = '', ...words] = process.argv.slice(2);

function valuesOf(option: string): string[] {
  return words.flatMap((word, index) => (word === `--${option}` ? [words[index + 1] ?? ''] : []));
}

function theValueOf(option: string): string {
  const [value] = valuesOf(option);
  if (value === undefined) throw new Error(`${script}: expected --${option}, got ${words.join(' ')}`);
  return value;
}

async function topics(admin: Admin): Promise<void> {
  const topic = theValueOf('topic');
  if (words.includes('--create')) {
    await admin.createTopics({
      topics: [
        {
          topic,
          numPartitions: Number(valuesOf('partitions')[0] ?? -1),
          replicationFactor: Number(valuesOf('replication-factor')[0] ?? -1),
          configEntries: valuesOf('config').map((setting) => {
            const [name = '', value = ''] = setting.split('=');
            return { name, value };
          }),
        },
      ],
    });
  } else if (words.includes('--alter')) {
    await admin.createPartitions({ topicPartitions: [{ topic, count: Number(theValueOf('partitions')) }] });
  } else if (words.includes('--delete')) {
    await admin.deleteTopics({ topics: [topic] });
  } else {
    throw new Error(`${script}: expected --create, --alter or --delete, got ${words.join(' ')}`);
  }
}

const operations: Readonly<Record<string, AclOperationTypes>> = {
  all: operationTypes.ALL,
  read: operationTypes.READ,
  write: operationTypes.WRITE,
  create: operationTypes.CREATE,
  describe: operationTypes.DESCRIBE,
};

async function acls(admin: Admin): Promise<void> {
  const denied = valuesOf('deny-principal');
  const entries = [...denied, ...valuesOf('allow-principal')].flatMap((principal) =>
    valuesOf('operation').map((operation): AclEntry => {
      const known = operations[operation.toLowerCase()];
      if (known === undefined) throw new Error(`${script}: operation ${operation} is not known here`);
      return {
        resourceType: AclResourceTypes.TOPIC,
        resourceName: theValueOf('topic'),
        resourcePatternType: ResourcePatternTypes.LITERAL,
        principal,
        host: valuesOf(denied.includes(principal) ? 'deny-host' : 'allow-host')[0] ?? '*',
        operation: known,
        permissionType: denied.includes(principal) ? AclPermissionTypes.DENY : AclPermissionTypes.ALLOW,
      };
    }),
  );
  if (words.includes('--add')) await admin.createAcls({ acl: entries });
  else await admin.deleteAcls({ filters: entries });
}

const kafka = new Kafka({ brokers: theValueOf('bootstrap-server').split(','), logLevel: logLevel.ERROR });
const admin = kafka.admin();
await admin.connect();
try {
  if (script === 'kafka-topics.sh') await topics(admin);
  else if (script === 'kafka-acls.sh') await acls(admin);
  else throw new Error(`expected kafka-topics.sh or kafka-acls.sh, got ${script}`);
} finally {
  await admin.disconnect();
}
