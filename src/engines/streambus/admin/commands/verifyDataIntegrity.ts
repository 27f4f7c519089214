import { watched, watchOptions } from './clusterHealthCheck.ts';
import {
  type AdminClient,
  type AdminCommand,
  ask,
  type CommandInput,
  type Console,
  Exit,
  NoAnswer,
  numberOption,
  Refused,
} from './command.ts';
import type { JobRow } from './shapes.ts';

const lookEveryMs = 500;
const defaultPatienceS = 3_600;

interface PartitionRow {
  readonly topic: string;
  readonly partition: number;
  readonly leader: number | null;
  readonly replicas: readonly number[];
  readonly start: number | null;
  readonly high_watermark: number | null;
}

interface Digest {
  readonly firstOffset: number;
  readonly endOffset: number;
  readonly batches: number;
  readonly bytes: number;
  readonly sha256: string;
  readonly damage: readonly { readonly reason: string; readonly firstOffset: number; readonly lastOffset: number }[];
}

/** Waits for a job of a broker. @throws Refused when it failed or took too long */
export async function finished(
  client: AdminClient,
  console: Console,
  broker: number,
  job: JobRow,
  patienceMs: number,
): Promise<JobRow> {
  const until = console.now() + patienceMs;
  for (let now = job; ; ) {
    if (now.state === 'done') return now;
    if (now.state === 'failed') throw new Refused(500, 'JOB_FAILED', now.error ?? 'it does not say why');
    if (console.now() >= until)
      throw new Refused(504, 'JOB_LATE', `${now.job} still runs after ${patienceMs / 1_000} s`);
    await console.sleep(lookEveryMs);
    now = await ask<JobRow>(client, 'GET', `/admin/jobs/${encodeURIComponent(now.job)}`, { to: broker });
  }
}

/** One replica's digest, or why there is none. */
async function digestOf(
  client: AdminClient,
  console: Console,
  broker: number,
  body: { readonly topic: string; readonly partition: number; readonly from: number; readonly to: number },
  patienceMs: number,
): Promise<Digest | string> {
  try {
    const job = await ask<JobRow>(client, 'POST', '/admin/storage/digest', { to: broker, body });
    return (await finished(client, console, broker, job, patienceMs)).result as Digest; // what this job ends with
  } catch (error) {
    if (error instanceof Refused || error instanceof NoAnswer) return error.message;
    throw error;
  }
}

/** Reads every replica of a partition and compares them. False: something is wrong with it. */
async function verifyPartition(
  client: AdminClient,
  console: Console,
  row: PartitionRow,
  patienceMs: number,
): Promise<boolean> {
  const name = `${row.topic}/${row.partition}`;
  const { start, high_watermark: end } = row;
  if (start === null || end === null) {
    console.line(`✗ ${name}: no leader, so nobody knows what it should hold`);
    return false;
  }
  const { topic, partition } = row;
  const range = { topic, partition, from: start, to: end };
  const digests = await Promise.all(
    row.replicas.map(async (broker) => ({
      broker,
      digest: await digestOf(client, console, broker, range, patienceMs),
    })),
  );
  let isGood = true;
  for (const { broker, digest } of digests) {
    if (typeof digest === 'string') {
      console.line(`✗ ${name} on broker-${broker}: ${digest}`);
      isGood = false;
      continue;
    }
    for (const { reason, firstOffset, lastOffset } of digest.damage) {
      console.line(`✗ ${name} on broker-${broker}: offsets ${firstOffset} to ${lastOffset}: ${reason}`);
      isGood = false;
    }
  }
  const read = digests.flatMap(({ broker, digest }) => (typeof digest === 'string' ? [] : [{ broker, ...digest }]));
  // A trim between two reads makes ranges that cannot be compared: the rest of them still is.
  const latest = Math.max(...read.map(({ firstOffset }) => firstOffset));
  const comparable = read.filter(({ firstOffset, damage }) => firstOffset === latest && damage.length === 0);
  const sums = new Set(comparable.map(({ sha256 }) => sha256));
  if (sums.size > 1) {
    for (const { broker, sha256, batches } of comparable) {
      console.line(
        `✗ ${name} on broker-${broker}: ${batches} batches, digest ${sha256.slice(0, 16)}: the replicas differ`,
      );
    }
    return false;
  }
  const [one] = comparable;
  if (isGood && one !== undefined) {
    console.line(
      `✓ ${name}: ${comparable.length} replicas alike, offsets ${latest} to ${end}, ${one.batches} batches, ${one.bytes} bytes`,
    );
  }
  return isGood;
}

async function runOnce(client: AdminClient, console: Console, input: CommandInput): Promise<number> {
  const patienceMs = (numberOption(input, 'timeout') ?? defaultPatienceS) * 1_000;
  const { topic } = input.options;
  const query = typeof topic === 'string' ? { topic } : {};
  const { partitions } = await ask<{ readonly partitions: readonly PartitionRow[] }>(
    client,
    'GET',
    '/admin/partitions',
    { query },
  );
  let bad = 0;
  for (const row of partitions) if (!(await verifyPartition(client, console, row, patienceMs))) bad += 1;
  console.line(
    bad === 0
      ? `✓ ${partitions.length} partitions verified`
      : `✗ ${bad} of ${partitions.length} partitions are not as they should be`,
  );
  return bad === 0 ? Exit.good : Exit.bad;
}

/** The command under the names that the runbook has for it. */
function named(name: string): AdminCommand {
  return {
    name,
    summary: 'read every batch of every replica, check it, and compare the replicas',
    words: '',
    options: [
      { name: 'topic', value: '<name>', help: 'only this one' },
      { name: 'timeout', value: '<seconds>', help: `how long one replica may take (default ${defaultPatienceS})` },
      ...watchOptions,
    ],
    run: (client, console, input) => watched(console, input, () => runOnce(client, console, input)),
  };
}

export const verifyDataIntegrity = named('verify-data-integrity');
export const checkDataIntegrity = named('check-data-integrity');
