import { hash } from 'node:crypto';
import type { Operation } from '../../../src/checkers/history.ts';
import type {
  BatchSeen,
  ClientInput,
  ClientOutput,
  DiskCall,
  JournalImage,
  Life,
  LogRecord,
  ServerRequest,
  StateSample,
  StemeEvidence,
  StemeSettings,
  Submission,
} from '../../../src/checkers/stemedb/evidence.ts';

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/** Evidence that a test may bend. */
export interface Story {
  readonly evidence: { -readonly [K in keyof StemeEvidence]: StemeEvidence[K] };
  readonly requests: Mutable<ServerRequest>[];
  readonly lives: Mutable<Life>[];
  readonly disk: Mutable<DiskCall>[];
  readonly samples: Mutable<StateSample>[];
  readonly operations: Mutable<Operation<ClientInput, ClientOutput>>[];
  order(): number;
  image(records: readonly LogRecord[], atMs: number, more?: Partial<JournalImage>): JournalImage;
}

const segment = '/var/lib/stemedb/wal/segment-00000001.wal';

const settings: StemeSettings = {
  maxWaitMs: 10,
  maxBatchBytes: 1 << 20,
  segmentBytes: 1 << 20,
  reserveBytes: 2 << 20,
  maxPendingBytes: 1 << 20,
  cacheBytes: 1 << 20,
  indexMaxBytes: 1 << 20,
  requestTimeoutMs: 1000,
  drainTimeoutMs: 5000,
  lameDuckMs: 100,
  strictTail: false,
  walDirectory: '/var/lib/stemedb/wal',
  storeDirectory: '/var/lib/stemedb/db',
};

/** A claim by number: content, id, and its record at an LSN. */
export function claim(number: number, content: Record<string, unknown> = {}): Submission {
  const full = {
    v: 1,
    kind: 'assertion',
    subject: 'tower',
    predicate: 'height',
    object: { number },
    stage: 'approved',
    confidence: 0.5,
    timestamp: 1000 * number,
    ...content,
  };
  return { id: hash('sha256', JSON.stringify(full), 'hex'), kind: 'assertion', content: full };
}

export function recordOf(submission: Submission, lsn: number): LogRecord {
  return { lsn, type: 1, stream: 0, id: submission.id, sum: lsn };
}

/**
 * A good run: two lives, a kill between them. Claim n is written at n × 10 ms, durable 2 ms later, acknowledged as LSN n;
 * claims 1 and 2 in the first life, 3 in the second.
 */
export function goodStory(): Story {
  let counter = 0;
  const order = () => counter++;
  const requests: Mutable<ServerRequest>[] = [];
  const lives: Mutable<Life>[] = [];
  const disk: Mutable<DiskCall>[] = [];
  const samples: Mutable<StateSample>[] = [];
  const operations: Mutable<Operation<ClientInput, ClientOutput>>[] = [];
  let clientOrder = 0;
  const records: LogRecord[] = [];
  const walls: number[] = [];

  function image(of: readonly LogRecord[], atMs: number, more: Partial<JournalImage> = {}): JournalImage {
    return {
      atMs,
      order: order(),
      records: [...of],
      floor: Math.max(0, of.length - 1),
      witness: 0,
      walls: [...walls],
      ...more,
    };
  }

  function begin(incarnation: number, atMs: number): Mutable<Life> {
    const found = image(records, atMs);
    const startedOrder = order();
    const servedOrder = order();
    const life: Mutable<Life> = {
      node: 'stemedb-1',
      incarnation,
      startedAtMs: atMs,
      startedOrder,
      device: 'sdb',
      found,
      indexedLsn: 0,
      servedAtMs: atMs + 1,
      servedOrder,
      recovered: image(records, atMs + 1),
      endedAtMs: Number.POSITIVE_INFINITY,
      endedOrder: Number.POSITIVE_INFINITY,
      end: 'running',
      logBytes: 1 << 20,
      settings,
    };
    lives.push(life);
    return life;
  }

  function write(number: number, incarnation: number): void {
    const submission = claim(number);
    const atMs = number * 10;
    const arrivedOrder = order();
    const batch: BatchSeen = {
      firstLsn: number,
      lastLsn: number,
      durableLsn: number - 1,
      ids: [submission.id],
      wallMs: 1_000_000 + atMs,
      seal: false,
    };
    disk.push({
      incarnation,
      operation: 'write',
      path: segment,
      position: 4096 * number,
      bytes: 4096,
      durable: true,
      batches: [batch],
      beganAtMs: atMs,
      beganOrder: order(),
      endedAtMs: atMs + 2,
      endedOrder: order(),
    });
    records.push(recordOf(submission, number));
    walls.push(batch.wallMs);
    requests.push({
      node: 'stemedb-1',
      incarnation,
      method: 'POST',
      path: '/v1/assert',
      arrivedAtMs: atMs,
      arrivedOrder,
      answeredAtMs: atMs + 2.1,
      answeredOrder: order(),
      status: 201,
      ids: [submission.id],
      bodyBytes: 200,
      atomic: false,
      acks: [{ id: submission.id, lsn: number, status: 'created' }],
    });
    operations.push({
      id: operations.length,
      process: 1,
      f: 'assert',
      input: { f: 'write', submissions: [submission], atomic: false },
      invokedAt: atMs - 1,
      invokedOrder: clientOrder++,
      outcome: 'ok',
      completedAt: atMs + 3,
      completedOrder: clientOrder++,
      output: { acks: [{ id: submission.id, lsn: number, status: 'created' }] },
    });
  }

  function sample(atMs: number, incarnation: number, fields: Partial<StateSample>): void {
    samples.push({
      atMs,
      order: order(),
      node: 'stemedb-1',
      incarnation,
      walState: 'open',
      pendingBytes: 0,
      indexBytes: 300,
      ...fields,
    });
  }

  const first = begin(1, 0);
  write(1, 1);
  write(2, 1);
  sample(25, 1, {
    durableLsn: 2,
    fsyncTotal: 2,
    fsyncErrors: 0,
    recordsTotal: 2,
    fsyncQuantiles: { 0.5: 0.002, 0.99: 0.002 },
  });
  first.end = 'crashed';
  first.endedAtMs = 26;
  first.endedOrder = order();
  const second = begin(2, 27);
  write(3, 2);
  sample(40, 2, {
    durableLsn: 3,
    fsyncTotal: 1,
    fsyncErrors: 0,
    recordsTotal: 3,
    fsyncQuantiles: { 0.5: 0.002, 0.99: 0.002 },
  });
  second.left = image(records, 41);

  const evidence: Story['evidence'] = {
    config: settings,
    operations,
    requests,
    lives,
    disk,
    samples,
    faults: [],
    powerLosses: [],
    acceptedLoss: [],
    firedFaultPoints: [],
    healedAtMs: undefined,
    endedAtMs: 50,
    index: [
      {
        incarnation: 2,
        atMs: 42,
        order: order(),
        subject: 'tower',
        predicate: 'height',
        lens: 'recency',
        lsn: 3,
        winner: claim(3).id,
        candidates: [claim(3).id, claim(2).id, claim(1).id],
      },
    ],
  };
  return { evidence, requests, lives, disk, samples, operations, order, image };
}
