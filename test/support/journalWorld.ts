import type { Host } from '../../src/host/host.ts';
import { World, type WorldOptions } from '../../src/sim/world.ts';
import { type Journal, type JournalOptions, openJournal, type RecordOut } from '../../src/storage/journal/index.ts';
import type { RecoveryReport } from '../../src/storage/journal/types.ts';

/** Options of a small journal: 1 MiB would make every test slow, 256 KiB shows the same. */
export const smallJournal: JournalOptions = {
  directory: '/data/wal',
  name: 'wal',
  metricsPrefix: 'test_',
  witnessDirectory: '/other/witness',
  segmentBytes: 64 * 1024,
  reserveBytes: 128 * 1024,
};

/** A world with one machine, and a way to run a program on it to its end. */
export function journalWorld(options: WorldOptions) {
  const world = new World(options);
  const machine = world.addMachine('node-1');
  return {
    world,
    machine,
    /** Runs a program in a new process until it ends; rejects with what it throws. The process is gone afterwards. */
    async run<T>(program: (host: Host) => Promise<T>, limitMs = 600_000): Promise<T> {
      let outcome: { readonly value: T } | { readonly error: unknown } | undefined;
      machine.start('program', async (host) => {
        try {
          outcome = { value: await program(host) };
        } catch (error) {
          outcome = { error };
        }
      });
      await world.run({ toMs: world.now + limitMs, until: () => outcome !== undefined });
      if (machine.process !== undefined) machine.kill();
      if (outcome === undefined) throw new Error(`the program did not end within ${limitMs} ms of virtual time`);
      if ('error' in outcome) throw outcome.error;
      return outcome.value;
    },
    /** Starts a program and lets it run until `until` holds; the process lives on. */
    async begin(program: (host: Host) => Promise<void>, until: () => boolean, limitMs = 600_000): Promise<void> {
      let failure: { readonly error: unknown } | undefined;
      machine.start('program', async (host) => {
        try {
          await program(host);
        } catch (error) {
          failure = { error };
        }
      });
      await world.run({ toMs: world.now + limitMs, until: () => failure !== undefined || until() });
      if (failure !== undefined) throw failure.error;
    },
  };
}

/** Payload of record `n` of a test: its content follows from its number. */
export function payloadOf(n: number, bytes = 40 + ((n * 37) % 200)): Uint8Array {
  return Uint8Array.from({ length: bytes }, (_, i) => (n * 31 + i * 7) & 255);
}

export async function readAll(journal: Journal, from?: number): Promise<RecordOut[]> {
  const all: RecordOut[] = [];
  for await (const group of journal.scan(from ?? journal.firstLsn)) {
    for (const record of group) all.push({ ...record, payload: record.payload.slice() });
  }
  return all;
}

/** Opens, runs, closes. */
export async function withJournal<T>(
  host: Host,
  use: (journal: Journal, recovery: RecoveryReport) => Promise<T>,
  options: Partial<JournalOptions> = {},
): Promise<T> {
  const { journal, recovery } = await openJournal(host, { ...smallJournal, ...options });
  try {
    return await use(journal, recovery);
  } finally {
    await journal.close();
  }
}
