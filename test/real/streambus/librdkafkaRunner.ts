/**
 * Runs librdkafka's own tests (its `tests/test-runner`) against three brokers of this checkout:
 *
 *     LIBRDKAFKA_DIR=<a built librdkafka> node test/real/streambus/librdkafkaRunner.ts [number …]
 *
 * Without numbers it runs every test that must pass. Ends with 1 when one fails. Logs of the tests stay in `LIBRDKAFKA_LOGS`, if that
 * is given; `LIBRDKAFKA_PATIENCE` multiplies the tests' own time-outs, for machines that do other things. `librdkafka.test.ts` runs a few of them in every test run.
 */
import { spawn } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import kafkajs from 'kafkajs';
import {
  type BrokerCluster,
  type BrokerSettings,
  startBrokerCluster,
  untilReady,
} from '../../support/brokerCluster.ts';

/** Numbers of librdkafka's tests that a broker must pass; those that need no broker at all are left to librdkafka. */
export const librdkafkaTests: readonly string[] = [
  ...['0001', '0002', '0003', '0005', '0007', '0008', '0011', '0012', '0013', '0014', '0015', '0016', '0017', '0018'],
  ...['0019', '0020', '0021', '0022', '0026', '0029', '0030', '0031', '0033', '0034', '0035', '0036', '0038', '0039'],
  ...['0040', '0041', '0042', '0044', '0045', '0048', '0049', '0050', '0051', '0052', '0053', '0054', '0055', '0056'],
  ...['0057', '0059', '0060', '0061', '0063', '0064', '0065', '0067', '0068', '0069', '0070', '0073', '0075', '0076'],
  ...['0077', '0081', '0082', '0083', '0084', '0085', '0086', '0088', '0089', '0090', '0091', '0093', '0094', '0097'],
  ...['0098', '0099', '0102', '0103', '0107', '0109', '0110', '0111', '0112', '0113', '0114', '0115', '0118', '0119'],
  ...['0122', '0123', '0125', '0127', '0129', '0130', '0132', '0135', '0137', '0140', '0142', '0153'],
];

/** Tests of access rules: whoever runs them must not stand above the rules. */
const underRules: ReadonlySet<string> = new Set(['0109', '0115', '0119']);

/** What the tests expect of a broker: what their own environment sets for Kafka. */
export const librdkafkaSettings: BrokerSettings = {
  topics: { default_partitions: 4 },
  security: { acl: { enabled: true, super_users: ['User:ANONYMOUS'] } },
};

/** Tests on brokers that make no topic by themselves; the runner of the tests calls that a scenario. */
const withoutAutoCreate: ReadonlySet<string> = new Set(['0107', '0111']);

/** Tests that would ask in versions which version 4 of Kafka dropped and this broker does not speak; the others would ask for KIP-848. */
const asVersion4: ReadonlySet<string> = new Set(['0052']);

/** Lets everybody do everything by rule, and takes the place above the rules away. */
async function putUnderRules(cluster: BrokerCluster): Promise<void> {
  const admin = new kafkajs.Kafka({ brokers: [...cluster.bootstrap], logLevel: kafkajs.logLevel.ERROR }).admin();
  await admin.connect();
  const { TOPIC, GROUP, CLUSTER, TRANSACTIONAL_ID } = kafkajs.AclResourceTypes;
  await admin.createAcls({
    acl: [TOPIC, GROUP, CLUSTER, TRANSACTIONAL_ID].map((resourceType) => ({
      resourceType,
      resourceName: resourceType === CLUSTER ? 'kafka-cluster' : '*',
      resourcePatternType: kafkajs.ResourcePatternTypes.LITERAL,
      principal: 'User:*',
      host: '*',
      operation: kafkajs.AclOperationTypes.ALL,
      permissionType: kafkajs.AclPermissionTypes.ALLOW,
    })),
  });
  await admin.disconnect();
  for (const broker of [1, 2, 3]) {
    const file = join(cluster.directory, `broker-${broker}`, 'broker.json');
    const text = readFileSync(file, 'utf8').replace('"User:ANONYMOUS"', '');
    writeFileSync(file, text);
    await cluster.kill(broker, 'SIGTERM');
    await cluster.start(broker);
    await untilReady(cluster.http(broker));
  }
}

/** Directory of a built librdkafka; undefined when there is none. */
export function librdkafkaDirectory(): string | undefined {
  const directory = process.env.LIBRDKAFKA_DIR;
  return directory !== undefined && existsSync(join(directory, 'tests/test-runner')) ? directory : undefined;
}

/** How one of the tests ended. */
export interface LibrdkafkaResult {
  readonly outcome: 'passed' | 'failed' | 'skipped';
  readonly seconds: number;
  /** Everything that it wrote. */
  readonly output: string;
}

/** 0113, the longest, was at it for more than ten minutes on two busy cores. */
const longestMs = 900_000;

/** By what the tests' own time-outs are multiplied; their waits grow with it. */
function patience(): number {
  return Number(process.env.LIBRDKAFKA_PATIENCE ?? '1');
}

/** Runs one test, by its number, against a cluster; SIGKILL after `limitMs`. */
export async function runLibrdkafkaTest(
  directory: string,
  cluster: BrokerCluster,
  number: string,
  limitMs = longestMs * patience(),
): Promise<LibrdkafkaResult> {
  const scratch = mkdtempSync(join(tmpdir(), 'hotfire-librdkafka-'));
  const brokers = cluster.bootstrap.join(',');
  const configuration = join(scratch, 'test.conf');
  const settings = {
    'bootstrap.servers': brokers,
    'test.topic.random': 'true',
    'test.timeout.multiplier': `${patience()}`,
  };
  writeFileSync(
    configuration,
    `${Object.entries(settings)
      .map(([name, value]) => `${name}=${value}`)
      .join('\n')}\n`,
  );
  writeCommands(join(scratch, 'bin'));
  const began = performance.now();
  try {
    // -L: none of the tests that bring a broker of their own.
    const child = spawn(join(directory, 'tests/test-runner'), ['-L', '-p1'], {
      cwd: join(directory, 'tests'),
      stdio: ['ignore', 'pipe', 'pipe'],
      env: {
        ...process.env,
        // The build's own library, not one that the machine has beside it.
        LD_LIBRARY_PATH: `${join(directory, 'src')}:${join(directory, 'src-cpp')}`,
        TESTS: number,
        TEST_SCENARIO: withoutAutoCreate.has(number) ? 'noautocreate' : 'default',
        RDKAFKA_TEST_CONF: configuration,
        BROKERS: brokers,
        KAFKA_PATH: scratch,
        TEST_KAFKA_VERSION: asVersion4.has(number) ? '4.0.0' : '3.7.0',
      },
    });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        output += text;
      });
    }
    const timer = setTimeout(() => child.kill('SIGKILL'), limitMs);
    const code = await new Promise<number | null>((ended) => child.once('close', ended));
    clearTimeout(timer);
    const seconds = (performance.now() - began) / 1_000;
    return { outcome: outcomeOf(number, code, output), seconds, output };
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

/** The table at the end has a row for each test of the number, and the exit code is the whole's. */
function outcomeOf(number: string, code: number | null, output: string): LibrdkafkaResult['outcome'] {
  if (code !== 0) return 'failed';
  const rows = output.slice(output.lastIndexOf('SUMMARY')).split('\n');
  return rows.some((row) => row.includes(` ${number}_`) && row.includes('PASSED')) ? 'passed' : 'skipped';
}

/** Kafka's scripts, as far as the tests call them. */
function writeCommands(directory: string): void {
  mkdirSync(directory);
  for (const name of ['kafka-topics.sh', 'kafka-acls.sh']) {
    const file = join(directory, name);
    const script = resolve(import.meta.dirname, 'support/kafkaCommands.ts');
    writeFileSync(file, `#!/bin/sh\nexec '${process.execPath}' '${script}' ${name} "$@"\n`);
    chmodSync(file, 0o755);
  }
}

async function main(chosen: readonly string[]): Promise<void> {
  const directory = librdkafkaDirectory();
  if (directory === undefined) {
    console.log('LIBRDKAFKA_DIR must name a built librdkafka with tests/test-runner');
    process.exitCode = 64;
    return;
  }
  const numbers = chosen.length > 0 ? chosen : librdkafkaTests;
  const without = numbers.filter((number) => withoutAutoCreate.has(number));
  const ruled = numbers.filter((number) => underRules.has(number));
  const others = numbers.filter((number) => !without.includes(number) && !ruled.includes(number));
  const { topics } = librdkafkaSettings;
  const failed = [
    ...(await runAll(directory, [...others, ...ruled], librdkafkaSettings)),
    ...(await runAll(directory, without, { ...librdkafkaSettings, topics: { ...topics, auto_create: false } })),
  ];
  console.log(failed.length === 0 ? 'none failed' : `failed: ${failed.join(' ')}`);
  if (failed.length > 0) process.exitCode = 1;
}

/** Runs tests one after the other on one cluster; those of access rules must come last. Resolves to those that failed. */
async function runAll(directory: string, numbers: readonly string[], settings: BrokerSettings): Promise<string[]> {
  const logs = process.env.LIBRDKAFKA_LOGS;
  const failed: string[] = [];
  if (numbers.length === 0) return failed;
  const cluster = await startBrokerCluster(3, settings);
  try {
    for (const number of numbers) {
      if (number === numbers.find((one) => underRules.has(one))) await putUnderRules(cluster);
      const { outcome, seconds, output } = await runLibrdkafkaTest(directory, cluster, number);
      if (outcome === 'failed') failed.push(number);
      if (logs !== undefined) writeFileSync(join(logs, `${number}.log`), output);
      console.log(`${number} ${outcome} ${seconds.toFixed(1)} s`);
    }
    return failed;
  } finally {
    if (logs !== undefined) writeLogs(cluster, join(logs, 'brokers.log'));
    await cluster.stop();
  }
}

function writeLogs(cluster: BrokerCluster, file: string): void {
  const lines = [1, 2, 3].flatMap((broker) => cluster.process(broker).logs.map((line) => ({ broker, ...line })));
  writeFileSync(file, lines.map((line) => JSON.stringify(line)).join('\n'));
}

if (process.argv[1] === import.meta.filename) await main(process.argv.slice(2));
