import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test, vi } from 'vitest';
import { ProducerCursor } from '../../../src/engines/indexbus/layout.ts';
import { SeatProber } from '../../../src/engines/indexbus/liveness.ts';
import { defaultRouterOptions } from '../../../src/engines/indexbus/routerParts.ts';
import { serveRouterHere } from '../../../src/engines/indexbus/routerServe.ts';
import { stateOf } from '../../../src/engines/indexbus/seat.ts';
import { holderOf, seatPlaces } from '../../../src/engines/indexbus/seatPlaces.ts';
import { createSegment } from '../../../src/engines/indexbus/segment.ts';
import { loadNative } from '../../../src/real/native.ts';
import { loadFfi } from '../../../src/real/shm/ffi/load.ts';
import { inMemoryDirectory } from '../shm/memoryDirectory.ts';
import { account } from './support/accounts.ts';
import { Fleet } from './support/fleet.ts';
import { busHost, subscriptions } from './support/roles.ts';
import { runSession } from './support/session.ts';

vi.setConfig({ testTimeout: 60_000 });

const native = loadNative();
const ffi = loadFfi();
const lack = 'reason' in native ? native.reason : 'reason' in ffi ? ffi.reason : '';

describe.skipIf(lack !== '')(`a bus of processes with the addon and without${lack && ` (${lack})`}`, () => {
  const shm = { addon: 'addon' in native ? native.addon : undefined, FFI: 'shm' in ffi ? ffi.shm : undefined };

  // One of each role is killed; what each has noted must add up, and no seat or slot may stay behind.
  test.for([
    { here: 'addon', byFfi: ['producer', 'consumer'] },
    { here: 'FFI', byFfi: ['router'] },
  ] as const)('by FFI: $byFfi; $here: a producer and consumers here', ({ here, byFfi }) =>
    inMemoryDirectory(async (directory) => {
      const calls = shm[here];
      if (calls === undefined) throw new Error(lack);
      const result = await runSession(calls, directory, { seed: 7, kills: 3, pauses: false, byFfi });
      const told = account(result);
      expect(told.findings).toEqual([]);
      expect(result.kills).toEqual({ router: 1, producer: 1, consumer: 1 });
      expect(told.messages).toBeGreaterThan(100);
    }),
  );

  test.for([
    { here: 'addon', byFfi: ['producer'] },
    { here: 'FFI', byFfi: [] },
  ] as const)('a router ($here) knows by the lock of a producer that it was killed', ({ here, byFfi }) =>
    inMemoryDirectory(async (directory) => {
      const calls = shm[here];
      if (calls === undefined) throw new Error(lack);
      const host = busHost(calls, directory);
      const sizes = { producers: 2, lanes: 4, slots: 1024, laneRing: 256, slotBytes: 256, topics: 4 };
      const segment = await createSegment({ shm: host.shm, name: 'known' }, sizes, 1);
      const setup = { options: defaultRouterOptions, loop: { pollIntervalUs: 1000, spinUs: 0 } };
      const runner = serveRouterHere(segment, host, setup, () => undefined);
      for (const subscription of subscriptions) await runner.apply({ do: 'put-subscription', subscription });
      // What is killed stays a zombie: only its lock tells that it has ended.
      const fleet = new Fleet(directory, 'known', 7, byFfi);
      try {
        const prober = new SeatProber(segment, host.clock, host.telemetry);
        const producer = fleet.prepare('producer', true);
        // Who asks for a topic has a seat for that, before its own, and publishes nothing there.
        const seatOf = () =>
          seatPlaces(segment.layout, 'producer').find(
            ({ at, cursors }) =>
              holderOf(segment.words, at).pid === producer.pid &&
              Atomics.load(segment.words, cursors + ProducerCursor.sourceTail) !== 0,
          );
        const until = async (what: string, holds: () => boolean): Promise<void> => {
          for (const end = Date.now() + 20_000; !holds(); await sleep(3)) {
            if (Date.now() > end) throw new Error(`expected within 20 s: ${what}. ${fleet.failures.join('')}`);
          }
        };
        await until('the producer is ready', () => fleet.isReady(producer));
        fleet.go(producer);
        await until('it publishes', () => seatOf() !== undefined);
        expect(fleet.failures).toEqual([]);
        expect(prober.probe().map(({ judgement }) => judgement.verdict)).not.toContain('dead');
        const at = seatOf()?.at ?? 0;
        fleet.kill(producer);
        let dead: readonly number[] = [];
        await until('it is known to be dead', () => {
          const found = prober.probe().filter(({ judgement }) => judgement.verdict === 'dead');
          for (const { seat, epoch } of found) void runner.apply({ do: 'peer-dead', seat: seat.index, epoch });
          dead = found.map(({ seat }) => seat.at);
          return dead.length > 0;
        });
        expect(dead).toEqual([at]);
        await until('its seat is free', () => stateOf(Atomics.load(segment.words, at)) === 'free');
      } finally {
        fleet.end();
        await runner.stop();
        segment.region.close();
      }
    }),
  );
});
