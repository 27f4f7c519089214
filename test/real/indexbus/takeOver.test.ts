import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import type { Subscription } from '../../../src/engines/indexbus/commands.ts';
import { openBus, type Segment } from '../../../src/engines/indexbus/index.ts';
import { LaneCursor } from '../../../src/engines/indexbus/layout.ts';
import { SeatProber } from '../../../src/engines/indexbus/liveness.ts';
import { defaultRouterOptions } from '../../../src/engines/indexbus/routerParts.ts';
import { serveRouterHere } from '../../../src/engines/indexbus/routerServe.ts';
import { type SeatStateName, stateOf } from '../../../src/engines/indexbus/seat.ts';
import { seatPlaces } from '../../../src/engines/indexbus/seatPlaces.ts';
import { createSegment } from '../../../src/engines/indexbus/segment.ts';
import type { Host } from '../../../src/host/host.ts';
import type { ShmAddon } from '../../../src/real/shm/addon.ts';
import { inMemoryDirectory } from '../shm/memoryDirectory.ts';
import { describeNative } from '../shm/needsNative.ts';
import { unrest } from './support/endState.ts';
import { busHost, subscriptionOf } from './support/roles.ts';

const lanes = 2;
const rounds = 3;
const batchSize = 8;
const program = join(import.meta.dirname, 'support/groupMember.ts');

/** A consumer in a process of its own, which waits for `go`. */
class Member {
  readonly file: string;
  readonly #process: ChildProcess;
  readonly #said = new Set<string>();
  readonly #failures: string[] = [];
  #ended = false;

  constructor(directory: string, subscription: string, number: number) {
    this.file = join(directory, `member-${number}`);
    this.#process = spawn(process.execPath, [program, directory, 'taken', subscription, this.file]);
    this.#process.stderr?.on('data', (text: Buffer) => this.#failures.push(text.toString()));
    this.#process.stdin?.on('error', () => undefined);
    this.#process.on('exit', () => {
      this.#ended = true;
    });
    if (this.#process.stdout !== null) {
      // The shape is what groupMember.ts says.
      createInterface({ input: this.#process.stdout }).on('line', (line) => {
        this.#said.add((JSON.parse(line) as { said: string }).said);
      });
    }
  }

  async hasSaid(word: string): Promise<void> {
    const failed = (): string => this.#failures.join('');
    await until(`a member is ${word}`, () => this.#said.has(word) || failed() !== '', failed);
    if (!this.#said.has(word)) throw new Error(failed());
  }

  tell(line: string): void {
    this.#process.stdin?.write(`${line}\n`);
  }

  async kill(): Promise<void> {
    this.#process.kill('SIGKILL');
    await until('a member is dead', () => this.#ended);
  }

  get notes(): readonly (readonly [number: number, requeued: boolean, redelivered: boolean])[] {
    if (!existsSync(this.file)) return [];
    // One that was killed while it wrote has a last line that is not whole.
    const whole = readFileSync(this.file, 'utf8').split('\n').slice(0, -1);
    return whole.map((line) => {
      const [number = -1, requeued, redelivered] = line.split(' ').map(Number);
      return [number, requeued === 1, redelivered === 1];
    });
  }
}

async function until(what: string, holds: () => boolean, otherwise: () => string = () => ''): Promise<void> {
  const end = Date.now() + 20_000;
  while (!holds()) {
    if (Date.now() > end) throw new Error(`expected within 20 s: ${what}. ${otherwise()}`);
    await sleep(3);
  }
}

const states = ({ words, layout }: Segment): readonly (SeatStateName | undefined)[] =>
  seatPlaces(layout, 'consumer').map(({ at }) => stateOf(Atomics.load(words, at)));
const waits = ({ words, layout }: Segment): boolean =>
  seatPlaces(layout, 'consumer').every(({ cursors }) => Atomics.load(words, cursors + LaneCursor.backlog) !== 0);
const sum = ({ words, layout }: Segment, field: number): number =>
  seatPlaces(layout, 'consumer').reduce((total, { cursors }) => total + Atomics.load(words, cursors + field), 0);

async function route(host: Host, subscription: Subscription) {
  const sizes = { producers: 2, lanes, slots: 1024, laneRing: 256, slotBytes: 64, topics: 4 };
  const segment = await createSegment({ shm: host.shm, name: 'taken' }, sizes, 1);
  const setup = {
    options: { ...defaultRouterOptions, batchSize: 64, noSubscriber: 'hold' as const },
    loop: { pollIntervalUs: 1000, spinUs: 0 },
  };
  const runner = serveRouterHere(segment, host, setup, () => undefined);
  await runner.apply({ do: 'put-subscription', subscription });
  const prober = new SeatProber(segment, host.clock, host.telemetry);
  let isOver = false;
  const probing = (async () => {
    while (!isOver) {
      for (const { judgement, seat, epoch } of prober.probe()) {
        if (judgement.verdict === 'dead') await runner.apply({ do: 'peer-dead', seat: seat.index, epoch });
      }
      await sleep(10);
    }
  })();
  const end = async (): Promise<void> => {
    isOver = true;
    await probing;
    await runner.stop();
    segment.region.close();
  };
  return { segment, end };
}

/** Kills all consumers of a group that has every seat, again and again; what every consumer has noted. */
async function killed(addon: ShmAddon, directory: string, subscription: Subscription) {
  const host = busHost(addon, directory);
  const { segment, end } = await route(host, subscription);
  const members: Member[] = [];
  const prepare = (): Member[] => {
    const more = Array.from(
      { length: lanes },
      (_, at) => new Member(directory, subscription.name, members.length + at + 1),
    );
    members.push(...more);
    return more;
  };
  try {
    const bus = await openBus({ host, segment: 'taken', attachTimeoutMs: 10_000 });
    const topic = await bus.topic('t');
    const producer = await bus.producer();
    let sent = 0;
    let isOver = false;
    const sending = (async () => {
      while (!isOver) {
        const words = Int32Array.of(sent, ~sent);
        if (producer.publishWords(topic, words, 0, 2)) sent += 1;
        else await producer.ready(50);
        if (sent % 64 === 0) await sleep(2);
      }
      producer.flush();
    })();
    let present = prepare();
    let spare = prepare();
    for (let round = 0; round < rounds; round += 1) {
      for (const member of present) {
        await member.hasSaid('ready');
        member.tell('go');
      }
      for (const member of present) await member.hasSaid('seated');
      expect(states(segment)).toEqual(['live', 'live']);
      const before = sum(segment, LaneCursor.tail);
      await until('lanes are at work', () => sum(segment, LaneCursor.tail) - before > 200);
      await Promise.all(present.map((member) => member.kill()));
      // Every seat is one that is gone, with messages that wait.
      await until(
        'lanes wait for somebody',
        () => waits(segment) && states(segment).join() === 'draining,draining',
        () => states(segment).join(),
      );
      present = spare;
      spare = round < rounds - 1 ? prepare() : [];
    }
    for (const member of present) {
      await member.hasSaid('ready');
      member.tell('go');
    }
    for (const member of present) await member.hasSaid('seated');
    isOver = true;
    await sending;
    await until(
      'all is delivered',
      () => unrest(segment).length === 0,
      () => unrest(segment).join('; '),
    );
    for (const member of present) {
      member.tell('stop');
      await member.hasSaid('stopped');
    }
    await producer.close({ drainTimeoutMs: 10_000 });
    await bus.close();
    await until(
      'all seats are free',
      () => states(segment).join() === 'free,free',
      () => states(segment).join(),
    );
    const lost = sum(segment, LaneCursor.droppedDetached);
    return { notes: members.map((it) => it.notes), sent, lost, requeued: sum(segment, LaneCursor.requeuedIn) };
  } finally {
    await Promise.all(members.map((member) => member.kill()));
    await end();
  }
}

describeNative('a group that has every seat and whose consumers are killed', (addon) => {
  test(
    'is taken over by the next ones; at least once: nothing is lost, and nothing comes twice but as redelivered',
    () =>
      inMemoryDirectory(async (directory) => {
        const group = subscriptionOf('sure', { delivery: 'at_least_once', access: 'view', detachAfterMs: undefined });
        const { notes, sent, lost, requeued } = await killed(addon, directory, group);
        const plain = notes.flat().filter(([, , redelivered]) => !redelivered);
        expect(new Set(notes.flat().map(([number]) => number)).size).toBe(sent);
        expect(new Set(plain.map(([number]) => number)).size).toBe(plain.length);
        expect(lost).toBe(0);
        // Two full lanes each time.
        expect(requeued).toBeGreaterThan(rounds * lanes * 16);
        console.info(JSON.stringify({ sent, requeued, noted: notes.flat().length, plain: plain.length }));
      }),
    60_000,
  );

  test(
    'is taken over by the next ones; at most once: nothing comes twice, and only what was in their hands is lost',
    () =>
      inMemoryDirectory(async (directory) => {
        const group = subscriptionOf('work', { detachAfterMs: undefined });
        const { notes, sent, lost, requeued } = await killed(addon, directory, group);
        const numbers = notes.flat().map(([number]) => number);
        expect(new Set(numbers).size).toBe(numbers.length);
        expect(sent - numbers.length).toBeLessThanOrEqual(rounds * lanes * batchSize);
        expect(lost).toBe(0);
        expect(requeued).toBeGreaterThan(rounds * lanes * 16);
        console.info(JSON.stringify({ sent, requeued, noted: numbers.length }));
      }),
    60_000,
  );
});
