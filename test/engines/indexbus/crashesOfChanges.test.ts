import { describe, expect, it } from 'vitest';
import type { RouterCommand } from '../../../src/engines/indexbus/commands.ts';
import { Header, type Layout } from '../../../src/engines/indexbus/layout.ts';
import { readSubscription } from '../../../src/engines/indexbus/subscriptions.ts';
import { readTopics } from '../../../src/engines/indexbus/topics.ts';
import { subscriptionOf, TestBus } from './support/bus.ts';
import { type Operation, runWithCrash } from './support/crashing.ts';
import { killedAtStep, killedWhen } from './support/killing.ts';
import { plans } from './support/plans.ts';
import { Stage } from './support/stage.ts';

/** Far above what a change takes. */
const stepsMax = 400;

const work = { topics: ['t'], mode: 'workqueue', lane: 'blocking' } as const;
/** What a change makes of it: every field that can change while it has consumers. */
const changed = { ...work, topics: ['t', 'another.topic.>'], capacity: 4, creditLimit: 3, detachAfterMs: 777 };

const put = (name: string, change: Parameters<typeof subscriptionOf>[1]): RouterCommand => ({
  do: 'put-subscription',
  subscription: subscriptionOf(name, change),
});

interface Change {
  readonly command: RouterCommand;
  /** What there is before: the subscription `work`, topic `t`. */
  readonly before?: (bus: TestBus) => void;
}

const changes = {
  'of a subscription': { command: put('work', changed) },
  'that makes a subscription': { command: put('other', changed) },
  'that makes a subscription of a record that another had': {
    command: put('other', { ...changed, mode: 'keyed' }),
    before: (bus) => {
      // Each record was one.
      for (let record = 1; record < 64; record += 1) bus.subscribe(`former-${record}`, { mode: 'keyed' });
      for (let record = 1; record < 64; record += 1) {
        bus.router.apply({ do: 'delete-subscription', name: `former-${record}` });
      }
    },
  },
  'that deletes a subscription': {
    command: { do: 'delete-subscription', name: 'other' },
    before: (bus) => bus.subscribe('other', changed),
  },
  'that makes a topic': { command: { do: 'create-topic', name: 'a.topic.with-a-name-of-several-words' } },
} satisfies Record<string, Change>;

/** All that a process without a part in the change can read of it. */
function readAll({ region, layout }: { region: TestBus['region']; layout: Layout }) {
  return {
    subscriptions: Array.from({ length: 64 }, (_, record) => readSubscription(region, layout, record)),
    topics: [...readTopics(region, layout)],
  };
}

const built = new Map<Change, Int32Array>();

function build(change: Change): TestBus {
  const bus = new TestBus();
  const image = built.get(change);
  if (image === undefined) {
    bus.subscribe('work', work);
    bus.topic('t');
    change.before?.(bus);
    built.set(change, bus.segment.words.slice());
  } else {
    bus.segment.words.set(image);
    bus.newRouter();
  }
  return bus;
}

/** What a successor finds, and what comes of asking for the change once more, is one of two and then the new one. */
function whole(bus: TestBus, change: Change, old: unknown, next: unknown): 'old' | 'new' {
  const { router, segment } = bus;
  const found = readAll(segment);
  const isNew = JSON.stringify(found) === JSON.stringify(next);
  if (!isNew) {
    expect(found).toEqual(old);
    bus.router.apply(change.command);
    expect(readAll(segment)).toEqual(next);
  }
  expect(router.routing.subscriptions).toEqual(readAll(segment).subscriptions.filter((it) => it !== undefined));
  // The next change takes nothing of it back.
  const others = readAll(segment);
  const third = bus.subscribe('third', { topics: ['t', 'u', 'v.>'], mode: 'keyed' });
  others.subscriptions[third] = readSubscription(segment.region, segment.layout, third);
  expect(readAll(segment)).toEqual(others);
  expect(others.subscriptions[third]?.subscription.topics).toEqual(['t', 'u', 'v.>']);
  return isNew ? 'new' : 'old';
}

describe('a router that is killed at a store of a change', () => {
  it.each(Object.entries<Change>(changes))('%s: the old one or the new one, for readers, too', (_, change) => {
    const twin = build(change);
    const old = readAll(twin.segment);
    twin.router.apply(change.command);
    const next = readAll(twin.segment);
    expect(next).not.toEqual(old);
    const found: string[] = [];
    for (let atStep = 0; ; atStep += 1) {
      expect(atStep).toBeLessThan(stepsMax);
      const bus = build(change);
      let isNew = false;
      // Another process reads at every step: the old one, from a moment on the new one.
      const look = (): void => {
        const seen = JSON.stringify(readAll(bus.segment));
        if (seen === JSON.stringify(next)) isNew = true;
        else expect({ isNew, seen }).toEqual({ isNew: false, seen: JSON.stringify(old) });
      };
      const isKilled = killedWhen(
        bus,
        (_, steps) => {
          look();
          return steps === atStep;
        },
        () => bus.router.apply(change.command),
      );
      if (!isKilled) break;
      bus.newRouter();
      found.push(whole(bus, change, old, next));
      expect(found.at(-1)).toBe(isNew ? 'new' : 'old');
    }
    expect(found).toContain('old');
    // A topic and a removal happen with their last store, of which nothing is left to be done.
    if (change.command.do === 'put-subscription') expect(found).toContain('new');
  });

  it('and its successor at each of its own', () => {
    const change: Change = changes['of a subscription'];
    const twin = build(change);
    const old = readAll(twin.segment);
    twin.router.apply(change.command);
    const next = readAll(twin.segment);
    let pairs = 0;
    for (let first = 0; ; first += 1) {
      const until = (bus: TestBus): boolean => killedAtStep(bus, first, () => bus.router.apply(change.command));
      if (!until(build(change))) break;
      for (let second = 0; ; second += 1) {
        const bus = build(change);
        until(bus);
        if (!killedAtStep(bus, second, () => bus.newRouter())) break;
        bus.newRouter();
        whole(bus, change, old, next);
        pairs += 1;
      }
    }
    expect(pairs).toBeGreaterThan(60);
  });

  it.each(Object.entries<Change>(changes))('%s: a step precedes each store', (_, change) => {
    const bus = build(change);
    const { words, layout } = bus.segment;
    // The routes are worked out anew after the change, whatever of it there is.
    const parts = [
      [0, Header.routingEpoch],
      [Header.routingEpoch + 1, layout.producerSeats],
      [layout.topicNames, layout.sources],
    ] as const;
    const copy = (): Int32Array => words.slice();
    let before = copy();
    let stores = 0;
    const look = (): void => {
      const now = copy();
      let changedWords = 0;
      for (const [from, to] of parts) {
        for (let word = from; word < to; word += 1) if (now[word] !== before[word]) changedWords += 1;
      }
      expect(changedWords).toBeLessThanOrEqual(1);
      stores += changedWords;
      before = now;
    };
    bus.step = look;
    bus.router.apply(change.command);
    look();
    expect(stores).toBeGreaterThan(0);
  });

  it('leaves a work queue that delivers each message once', () => {
    for (let atStep = 0; ; atStep += 1) {
      expect(atStep).toBeLessThan(stepsMax);
      const bus = build(changes['of a subscription']);
      const topic = bus.router.routing.topicNumber('t') ?? -1;
      const former = bus.consumer('work');
      const producer = bus.producer();
      const killed = killedAtStep(bus, atStep, () => bus.router.apply(put('work', changed)));
      bus.newRouter();
      // As a router does with the subscriptions of its configuration.
      bus.router.apply(put('work', changed));
      const later = bus.consumer('work');
      for (let number = 0; number < 3; number += 1) producer.publish(topic, number);
      producer.flush();
      bus.settle();
      const seen = [...former.receive(), ...later.receive()].map(({ number }) => number);
      expect(
        seen.sort((a, b) => a - b),
        `killed at step ${atStep}`,
      ).toEqual([0, 1, 2]);
      if (!killed) break;
    }
  });
});

describe('a crash at every step of changes under traffic', () => {
  it.each(['workqueue', 'keyed', 'broadcastToTwo'] as const)('%s', async (name) => {
    const stage = await Stage.build(plans[name]);
    const memory = new SharedArrayBuffer(stage.bytes);
    const [first] = stage.plan.subscriptions;
    if (first === undefined) throw new Error('a plan has a subscription');
    const { topics = ['t'], mode = 'broadcast', lane = 'nonblocking' } = first;
    const change: Operation = {
      who: 'change',
      command: put(first.name, { topics: [...topics, 'never'], mode, lane, capacity: 3, viewMax: 1 }),
    };
    const topic: Operation = { who: 'change', command: { do: 'create-topic', name: 'nobodys.topic' } };
    const publish: Operation = { who: 'producer', seat: 0, key: 7 };
    const router: Operation = { who: 'router' };
    const receive = stage.plan.lanes.map((_, seat): Operation => ({ who: 'consumer', seat }));
    const operations = [publish, router, publish, change, topic, router, ...receive, publish, change, topic, router];
    expect(runWithCrash(stage, memory, operations, []).violations).toEqual([]);
    let crashes = 0;
    for (let atStep = 0; ; atStep += 1) {
      expect(atStep).toBeLessThan(stepsMax);
      const { crashed, violations } = runWithCrash(stage, memory, operations, [{ who: 'router', seat: 0, atStep }]);
      if (!crashed) break;
      crashes += 1;
      expect(violations, `killed at step ${atStep}`).toEqual([]);
    }
    expect(crashes).toBeGreaterThan(40);
  });
});
