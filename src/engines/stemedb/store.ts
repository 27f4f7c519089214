import { DiskError } from '../../host/disk.ts';
import type { Host } from '../../host/host.ts';
import { type Context, inSpan } from '../../host/tracing.ts';
import type { Journal } from '../../storage/journal/index.ts';
import { changedKeys, reloadReport } from '../configChanges.ts';
import { EngineError, ExitCode } from '../engine.ts';
import { Admission } from './admission.ts';
import { Background } from './background.ts';
import { BACKGROUND_TASKS } from './backgroundTasks.ts';
import { activitiesOf, conditionOf } from './condition.ts';
import { RELOADABLE_KEYS, reloaded, type StemeConfig } from './config.ts';
import { type Content, TYPE_NAMES } from './content.ts';
import { watchDisk, watchSpace } from './diskWatch.ts';
import { Drainer, type DrainReport } from './drain.ts';
import { StemeError } from './errors.ts';
import { ClaimIndex } from './index/claimIndex.ts';
import { dumpIndex } from './index/dump.ts';
import { IndexKeeper } from './index/keeper.ts';
import { type Manifest, readManifest } from './index/manifest.ts';
import { KnownDamage } from './knownDamage.ts';
import { createMetrics, type StemeMetrics } from './metrics.ts';
import { parseInput, type Query, querySchema, type Signature } from './model.ts';
import { answerQuery, type QueryResult } from './query.ts';
import { RecordReader } from './reader.ts';
import { isRecordType } from './records.ts';
import { type ScrubReport, scrubLog } from './scrub.ts';
import { createSignatureVerifier } from './signatures.ts';
import { appendBytes, indexDirectory, openTheJournal, startError } from './start.ts';
import type { StemeDb, StemeNode, StoredRecord } from './stemeNode.ts';
import { StoreLock } from './storeLock.ts';
import { Writer } from './write.ts';
import { createWriteCalls } from './writeCalls.ts';

/** How often free space is read. */
const SPACE_EVERY_MS = 5_000;

/**
 * Opens the store in `config.wal.dir` and `config.store.dir`: recovers the log, brings the index up to it, serves.
 *
 * @throws EngineError with the exit code and, in its message, LSNs and files, when it refuses or fails to start
 */
export async function openStemeDb(host: Host, config: StemeConfig): Promise<StemeDb> {
  return openStemeNode(host, config);
}

/** As `openStemeDb`, with the operator's view. */
export async function openStemeNode(rawHost: Host, initial: StemeConfig): Promise<StemeNode> {
  const metrics = createMetrics(rawHost);
  const host = watchDisk(rawHost, metrics);
  try {
    return await inSpan(host.telemetry.tracer, 'stemedb.start', undefined, (trace) =>
      open(host, initial, metrics, trace),
    );
  } catch (error) {
    throw startError(error);
  }
}

async function open(
  host: Host,
  config: StemeConfig,
  metrics: StemeMetrics,
  trace: Context | undefined,
): Promise<StemeNode> {
  const lock = await StoreLock.take(host, config.store.dir);
  try {
    return await openLocked(host, config, metrics, lock, trace);
  } catch (error) {
    await lock.release();
    throw error;
  }
}

async function openLocked(
  host: Host,
  initial: StemeConfig,
  metrics: StemeMetrics,
  lock: StoreLock,
  trace: Context | undefined,
): Promise<StemeNode> {
  let config = initial;
  const { clock, telemetry } = host;
  const directory = indexDirectory(config);
  const manifest = await readManifest(host.disk, directory);
  if (manifest === 'damaged') {
    metrics.corruptions.inc({ where: 'index' });
    telemetry.logger.warn('index manifest damaged: the log is folded again', { directory });
  }
  const known: Manifest | undefined = typeof manifest === 'string' ? undefined : manifest;
  const { journal, recovery } = await openTheJournal(host, config, known, trace);
  try {
    await lock.complete();
    if (known !== undefined && known.journal !== journal.id) {
      throw new EngineError(
        'JournalFormat',
        ExitCode.data,
        `${directory} belongs to journal ${known.journal}, ${config.wal.dir} holds journal ${journal.id}: check both directories`,
      );
    }
  } catch (error) {
    await journal.close();
    throw error;
  }
  // The log is the database: no record of it may go.
  journal.pin('records', 1);

  const index = new ClaimIndex();
  let keeper: IndexKeeper | undefined;
  const background = new Background({
    host,
    metrics,
    keeper: () => {
      if (keeper === undefined) throw new Error('snapshot before the index is open');
      return keeper;
    },
    snapshotBytes: config.index.snapshot_bytes,
    bytesPerSecond: () => config.background.bytes_per_sec,
    writeMs: () => journal.status().averageWriteMs,
  });
  const indexKeeper = new IndexKeeper({
    host,
    journal,
    index,
    directory,
    beforeWrite: (bytes) => background.spend('index', bytes),
    onBadPart: (error) => {
      metrics.corruptions.inc({ where: 'index' });
      telemetry.logger.warn('index part unusable: its rows are folded from the log', { reason: error.message });
    },
  });
  keeper = indexKeeper;
  const began = clock.now();
  let loaded: { folded: number; bytes: number };
  try {
    loaded = await inSpan(telemetry.tracer, 'index.load', trace, async (_, span) => {
      const found = await indexKeeper.load(known);
      span.setAttributes({ 'index.rows': index.rows, 'index.folded': found.folded });
      return found;
    });
  } catch (error) {
    await journal.close();
    throw error;
  }
  telemetry.logger.info('index open', {
    rows: index.rows,
    parts: indexKeeper.parts.length,
    folded: loaded.folded,
    ms: clock.now() - began,
  });

  const knownDamage = new KnownDamage();
  const reader = new RecordReader(journal, config.store.cache_bytes, telemetry, {
    hit: () => metrics.cacheHits.inc(),
    miss: () => metrics.cacheMisses.inc(),
    damaged: (segment, lsn) => {
      metrics.corruptions.inc({ where: 'segment' });
      knownDamage.found(segment, `at record ${lsn}, which was read in vain`);
    },
  });
  const drainer = new Drainer({
    clock,
    telemetry,
    lameDuckMs: () => config.drain.lame_duck_ms,
    timeoutMs: () => config.drain.timeout_ms,
    work: [
      { name: 'commits', run: () => journal.flush() },
      { name: 'seal', run: () => journal.roll() },
      { name: 'snapshot', run: () => background.snapshotNow() },
    ],
  });
  const admission = new Admission({
    clock,
    journal,
    refusesWrites: () => drainer.refusesWrites,
    countsRequests: telemetry.mutant('limit-by-request'),
  });
  admission.configure(config.rate_limit.max_writes_per_sec, config.rate_limit.endpoints);
  const indexFull = indexGuard(journal, index, config.index.max_bytes);
  indexFull();
  const writer = new Writer({
    clock,
    telemetry,
    journal,
    index,
    reader,
    metrics,
    admission,
    verifier: createSignatureVerifier(clock, config.assert.signatures),
    maxRecordBytes: config.wal.max_record_bytes,
    maxAppendBytes: appendBytes(config),
    clockSkewMs: () => config.assert.clock_skew_ms,
    onFold: (bytes) => {
      background.folded(bytes);
      indexFull();
    },
  });
  background.folded(loaded.bytes);
  metrics.attach({
    nodeState: () => drainer.state,
    rateLimit: () => admission.status().maxWritesPerSec ?? 0,
    indexRows: () => index.rows,
    indexBytes: () => index.bytes,
    snapshotAgeSeconds: () => background.snapshotAgeSeconds,
    paused: (task) => background.isPaused(task),
  });
  const ending = new AbortController();
  void watchSpace(host, metrics, { wal: config.wal.dir, store: config.store.dir }, SPACE_EVERY_MS, ending.signal);

  const querySource = {
    index,
    cached: (lsn: number) => reader.cached(lsn),
    read: (lsn: number) => reader.read(lsn),
    mutants: { floatSum: telemetry.mutant('float-sum'), tieByArrival: telemetry.mutant('tie-by-arrival') },
  };

  const writes = createWriteCalls({ host, writer, metrics });

  async function get(hash: string): Promise<StoredRecord | undefined> {
    const row = /^[0-9a-f]{64}$/.test(hash) ? index.find(hash) : 0;
    if (row === 0) return undefined;
    const kind = index.kindOf(row);
    const { content, signatures } = await reader.read(row);
    if (!isRecordType(kind)) throw new Error(`row ${row} is found by its id and holds no record`);
    return {
      hash,
      lsn: row,
      kind: TYPE_NAMES[kind],
      content: JSON.parse(content) as Content, // written after validation, covered by the record's CRC
      signatures: signatures === '' ? [] : (JSON.parse(signatures) as Signature[]), // likewise
    };
  }

  async function query(input: Query): Promise<QueryResult> {
    const parsed = parseInput(querySchema, input);
    const since = clock.now();
    try {
      return await answerQuery(querySource, parsed);
    } finally {
      metrics.queries.observe({ lens: parsed.lens }, (clock.now() - since) / 1000);
    }
  }

  async function checkpoint(): Promise<number> {
    try {
      return await background.snapshotNow();
    } catch (error) {
      if (!(error instanceof DiskError)) throw error;
      throw new StemeError('CHECKPOINT_FAILED', `the index could not be written: ${error.message}`, { cause: error });
    }
  }

  function drain(options: { signal?: AbortSignal } = {}): Promise<DrainReport> {
    const report = drainer.start();
    const { signal } = options;
    if (signal === undefined) return report;
    return new Promise((resolve, reject) => {
      if (signal.aborted) reject(signal.reason);
      signal.addEventListener('abort', () => reject(signal.reason), { once: true });
      report.then(resolve, reject);
    });
  }

  function reconfigure(next: StemeConfig): { applied: string[]; needRestart: string[] } {
    const report = reloadReport(changedKeys(config, next), RELOADABLE_KEYS);
    config = reloaded(config, next);
    admission.configure(config.rate_limit.max_writes_per_sec, config.rate_limit.endpoints);
    journal.configure({
      maxWaitMs: config.wal.group_commit_max_wait_ms,
      maxBatchBytes: config.wal.group_commit_max_bytes,
      slowFsyncMs: config.wal.slow_fsync_ms,
    });
    return report;
  }

  let scrubs = 0;
  async function scrub(): Promise<ScrubReport> {
    scrubs++;
    try {
      return await scrubLog({ host, journal, background, metrics, known: knownDamage, directory: config.wal.dir });
    } finally {
      scrubs--;
    }
  }

  const conditionSource = {
    journal,
    nodeState: () => drainer.state,
    snapshotting: () => keeper?.isWriting ?? false,
    scrubbing: () => scrubs > 0,
    isDamageKnown: () => !knownDamage.isEmpty,
    maxPendingBytes: config.wal.max_pending_bytes,
  };

  let closing: Promise<void> | undefined;
  async function closeAll(): Promise<void> {
    ending.abort();
    background.close();
    admission.close();
    try {
      await journal.close();
    } finally {
      writer.close();
      await lock.release();
    }
  }

  return {
    recovery,
    metrics,
    journal,
    get config() {
      return config;
    },
    ...writes,
    get,
    query,
    limit: (limit) => admission.limit(limit),
    pause: (request) => background.pause(request),
    checkpoint,
    scrub,
    drain,
    undrain: () => drainer.cancel(),
    close() {
      closing ??= closeAll();
      return closing;
    },
    node: () => ({ state: drainer.state, pending: writer.pending, steps: drainer.steps }),
    wal: () => journal.status(),
    rateLimit: () => admission.status(),
    damage: () => knownDamage.reasons,
    condition: () => conditionOf(conditionSource),
    activities: () => activitiesOf(conditionSource),
    admit: (endpoint) => admission.request(endpoint),
    pausedTasks: () => BACKGROUND_TASKS.filter((task) => background.isPaused(task)),
    indexRows: () => index.rows,
    dump: () => dumpIndex(index),
    reconfigure,
  };
}

/** Returns what turns the log read-only when the index has no room for more. */
function indexGuard(journal: Journal, index: ClaimIndex, maxBytes: number): () => void {
  let held = false;
  return () => {
    if (held || (index.bytes < maxBytes && !index.dictionariesFull)) return;
    held = true;
    journal.holdReadOnly('index_full', `the index holds ${index.bytes} bytes, index.max_bytes is ${maxBytes}`);
  };
}
