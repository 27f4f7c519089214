import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import canonicalize from 'canonicalize';
import seedrandom from 'seedrandom';
import { Pool } from 'undici';
import { afterAll, afterEach, expect, it } from 'vitest';
import { createRealHost } from '../../src/real/host.ts';
import { verifyJournal } from '../../src/storage/journal/inspect.ts';
import { killLeftovers, layoutOf, runHotfire, startDaemon } from './daemonProcess.ts';
import { type Acknowledged, startLoad } from './load.ts';
import { readLog } from './readLog.ts';

const ROUNDS = 20;
const CONNECTIONS = 32;
/** Most acknowledgements before a kill: on a slow machine a time would be over before the first. */
const ACKNOWLEDGED_MAX = 400;

const directory = mkdtempSync(join(tmpdir(), 'hotfire-kill-'));
afterEach(killLeftovers);
afterAll(() => rmSync(directory, { recursive: true }));

/** The id of an assertion, by nobody's code but npm's `canonicalize` and SHA-256. */
function idOf(assertion: Readonly<Record<string, unknown>>): string {
  const text = canonicalize({ ...assertion, kind: 'assertion', v: 1 }) ?? '';
  return createHash('sha256').update(text).digest('hex');
}

it(`should lose nothing acknowledged over ${ROUNDS} kills under load`, async () => {
  const seed = process.env.HOTFIRE_KILL_SEED ?? String(Date.now());
  console.log(`kill moments: HOTFIRE_KILL_SEED=${seed}`);
  const random = seedrandom(seed);
  const { wal, store } = layoutOf(directory);
  const host = createRealHost({ name: 'verifier' });
  const inspected = { directory: wal, coveredTo: 0, witnessFile: join(store, 'witness/stemedb.ring') };
  const acknowledged = new Map<string, Acknowledged>();
  const submitted = new Set<string>();
  let lastAcknowledged: readonly Acknowledged[] = [];
  let recoveredBefore = 0;
  let killedWithUnanswered = 0;

  for (let round = 0; round < ROUNDS; round++) {
    const daemon = await startDaemon({ directory });

    // What is there after the start: a prefix without gaps, each id once, nothing that nobody sent, all that was acknowledged.
    const recovered = readLog(wal);
    expect(recovered.map(({ lsn }) => lsn)).toEqual(Array.from({ length: recovered.length }, (_, index) => index + 1));
    const lsnOf = new Map(recovered.map(({ hash, lsn }) => [hash, lsn]));
    expect(lsnOf.size).toBe(recovered.length);
    for (const { hash } of recovered) expect(submitted.has(hash), `nobody sent ${hash}`).toBe(true);
    for (const { hash, lsn } of acknowledged.values()) expect(lsnOf.get(hash), hash).toBe(lsn);
    expect(recovered.length).toBeGreaterThanOrEqual(recoveredBefore);
    recoveredBefore = recovered.length;
    await expectServed(daemon.url, lastAcknowledged);

    const load = startLoad(daemon.url, round, CONNECTIONS);
    const enough = random() * ACKNOWLEDGED_MAX;
    while (load.acknowledged.length < enough) await new Promise((resolve) => setTimeout(resolve, 1));
    await new Promise((resolve) => setTimeout(resolve, 3 * random()));
    daemon.signal('SIGKILL');
    expect((await daemon.exited).signal).toBe('SIGKILL');
    await load.ended;
    lastAcknowledged = load.acknowledged;
    for (const ack of load.acknowledged) {
      expect(ack.hash).toBe(idOf(ack.assertion));
      acknowledged.set(ack.hash, ack);
      submitted.add(ack.hash);
    }
    for (const assertion of load.unanswered) submitted.add(idOf(assertion));
    if (load.unanswered.length > 0) killedWithUnanswered++;

    expect(await verifyJournal(host, inspected)).toMatchObject({
      verdict: expect.stringMatching(/^(clean|torn-tail)$/),
    });
  }
  // The command is about the same thing: a process of its own behind each kill would show no more.
  const verified = runHotfire('stemedb', 'wal', 'verify', wal);
  expect(verified.code, verified.stdout + verified.stderr).toBe(0);

  // The kills must have hit something, or this proves nothing.
  expect(acknowledged.size).toBeGreaterThan(ROUNDS * CONNECTIONS);
  expect(killedWithUnanswered).toBe(ROUNDS);
  const last = await startDaemon({ directory });
  await expectServed(last.url, [...acknowledged.values()]);
  last.signal('SIGTERM');
  expect(await last.exited).toEqual({ code: 0, signal: null });
  console.log(
    `${acknowledged.size} acknowledged in ${ROUNDS} rounds, ${recoveredBefore} in the log before the last kill`,
  );
}, 300_000);

/** Every record over HTTP: the LSN and the content that were acknowledged. */
async function expectServed(url: string, records: readonly Acknowledged[]): Promise<void> {
  const pool = new Pool(url, { connections: 16 });
  let next = 0;
  const reader = async () => {
    for (let record = records[next++]; record !== undefined; record = records[next++]) {
      const { hash, lsn, assertion } = record;
      const answer = await pool.request({ method: 'GET', path: `/v1/assertions/${hash}` });
      expect(answer.statusCode).toBe(200);
      expect(await answer.body.json()).toMatchObject({ hash, lsn, content: assertion });
    }
  };
  await Promise.all(Array.from({ length: 16 }, reader));
  await pool.destroy();
}
