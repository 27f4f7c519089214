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
import { type ReportConsole, withJson } from './json.ts';
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

/** A replica that has not got there yet: nothing is said of it. */
interface Behind {
  readonly behind: { readonly end: number; readonly wanted: number };
}

/** What keeps a replica from being read, and whether that passes. */
class NotRead {
  readonly message: string;
  readonly passes: boolean;
  constructor(message: string, passes: boolean) {
    this.message = message;
    this.passes = passes;
  }
}

/** Refusals of a broker that is about to have what it is asked for. */
const passing = ['NO_REPLICA', 'NOT_READY', 'NO_QUORUM'];
/** Replicas that cannot be read yet are tried so often more, so far apart. */
const triesMore = 2;
const againMs = 5_000;

/** One replica's digest, or why there is none. */
async function digestOf(
  client: AdminClient,
  console: Console,
  broker: number,
  body: { readonly topic: string; readonly partition: number; readonly from: number; readonly to: number },
  patienceMs: number,
): Promise<Digest | NotRead> {
  try {
    const job = await ask<JobRow>(client, 'POST', '/admin/storage/digest', { to: broker, body });
    const result = (await finished(client, console, broker, job, patienceMs)).result as Digest | Behind; // what this job ends with
    if (!('behind' in result)) return result;
    const { end, wanted } = result.behind;
    return new NotRead(`behind: it ends at ${end}, before ${wanted}, and still catches up`, true);
  } catch (error) {
    if (error instanceof Refused) return new NotRead(error.message, passing.includes(error.code));
    if (error instanceof NoAnswer) return new NotRead(error.message, false);
    throw error;
  }
}

interface Problem {
  /** Of the replica; null: of the partition as a whole. */
  readonly broker: number | null;
  readonly message: string;
  /** It says nothing about what lies there: the replica could not be read yet. */
  readonly passes: boolean;
}

/** What came of one partition; `alike` replicas hold the same batches. */
interface Verified {
  readonly topic: string;
  readonly partition: number;
  readonly problems: readonly Problem[];
  readonly alike: number;
  readonly first_offset: number | null;
  readonly end_offset: number | null;
  readonly batches: number | null;
  readonly bytes: number | null;
}

/** Reads every replica of a partition and compares them. */
async function verifyPartition(
  client: AdminClient,
  console: Console,
  row: PartitionRow,
  patienceMs: number,
): Promise<Verified> {
  const { topic, partition, start, high_watermark: end } = row;
  const problems: Problem[] = [];
  const unread = { alike: 0, first_offset: start, end_offset: end, batches: null, bytes: null };
  if (start === null || end === null) {
    problems.push({ broker: null, message: 'no leader, so nobody knows what it should hold', passes: false });
    return { topic, partition, problems, ...unread };
  }
  const range = { topic, partition, from: start, to: end };
  const digests = await Promise.all(
    row.replicas.map(async (broker) => ({
      broker,
      digest: await digestOf(client, console, broker, range, patienceMs),
    })),
  );
  for (const { broker, digest } of digests) {
    if (digest instanceof NotRead) {
      problems.push({ broker, ...digest });
      continue;
    }
    for (const { reason, firstOffset, lastOffset } of digest.damage) {
      problems.push({ broker, message: `offsets ${firstOffset} to ${lastOffset}: ${reason}`, passes: false });
    }
  }
  const read = digests.flatMap(({ broker, digest }) => (digest instanceof NotRead ? [] : [{ broker, ...digest }]));
  // A trim between two reads makes ranges that cannot be compared: the rest of them still is.
  const latest = Math.max(...read.map(({ firstOffset }) => firstOffset));
  const comparable = read.filter(({ firstOffset, damage }) => firstOffset === latest && damage.length === 0);
  const sums = new Set(comparable.map(({ sha256 }) => sha256));
  if (sums.size > 1) {
    for (const { broker, sha256, batches } of comparable) {
      problems.push({
        broker,
        message: `${batches} batches, digest ${sha256.slice(0, 16)}: the replicas differ`,
        passes: false,
      });
    }
    return { topic, partition, problems, ...unread };
  }
  const [one] = comparable;
  if (one === undefined) return { topic, partition, problems, ...unread };
  const { batches, bytes } = one;
  return {
    topic,
    partition,
    problems,
    alike: comparable.length,
    first_offset: latest,
    end_offset: end,
    batches,
    bytes,
  };
}

/** Nothing is wrong with what could be read, and some of it could not be yet. */
function isUnread({ problems }: Verified): boolean {
  return problems.length > 0 && problems.every(({ passes }) => passes);
}

/** A partition in lines for a person. */
function linesOf({ topic, partition, problems, alike, ...what }: Verified): readonly string[] {
  const name = `${topic}/${partition}`;
  if (problems.length > 0) {
    return problems.map(({ broker, message, passes }) => {
      const mark = passes ? '?' : '✗';
      return broker === null ? `${mark} ${name}: ${message}` : `${mark} ${name} on broker-${broker}: ${message}`;
    });
  }
  if (alike === 0) return [];
  const range = `offsets ${what.first_offset} to ${what.end_offset}`;
  return [`✓ ${name}: ${alike} replicas alike, ${range}, ${what.batches} batches, ${what.bytes} bytes`];
}

async function runOnce(client: AdminClient, console: ReportConsole, input: CommandInput): Promise<number> {
  const patienceMs = (numberOption(input, 'timeout') ?? defaultPatienceS) * 1_000;
  const { topic } = input.options;
  const query = typeof topic === 'string' ? { topic } : {};
  const { partitions } = await ask<{ readonly partitions: readonly PartitionRow[] }>(
    client,
    'GET',
    '/admin/partitions',
    { query },
  );
  const verified: Verified[] = [];
  for (const row of partitions) {
    let one = await verifyPartition(client, console, row, patienceMs);
    for (let tries = 0; tries < triesMore && isUnread(one); tries++) {
      await console.sleep(againMs);
      one = await verifyPartition(client, console, row, patienceMs);
    }
    for (const line of linesOf(one)) console.line(line);
    verified.push(one);
  }
  const unread = verified.filter(isUnread).length;
  const bad = verified.filter(({ problems }) => problems.length > 0).length - unread;
  console.data({ intact: bad + unread === 0, bad, unread, partitions: verified });
  if (unread > 0) {
    console.line(`? ${unread} of ${partitions.length} partitions have replicas that cannot be compared yet: try again`);
  }
  if (bad > 0) console.line(`✗ ${bad} of ${partitions.length} partitions are not as they should be`);
  else if (unread === 0) console.line(`✓ ${partitions.length} partitions verified`);
  return bad > 0 ? Exit.bad : unread > 0 ? Exit.undecided : Exit.good;
}

/** The command under the names that the runbook has for it. */
function named(name: string): AdminCommand {
  return withJson({
    name,
    summary: 'read every batch of every replica, check it, and compare the replicas',
    words: '',
    options: [
      { name: 'topic', value: '<name>', help: 'only this one' },
      { name: 'timeout', value: '<seconds>', help: `how long one replica may take (default ${defaultPatienceS})` },
      ...watchOptions,
    ],
    run: (client, console, input) => watched(console, input, () => runOnce(client, console, input)),
  });
}

export const verifyDataIntegrity = named('verify-data-integrity');
export const checkDataIntegrity = named('check-data-integrity');
