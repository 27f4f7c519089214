import type { BusEvent } from '../../../../src/checkers/indexbus/events.ts';
import { atMostOnce, payloadIsWhole } from '../../../../src/checkers/indexbus/once.ts';
import { checksumOf, fillPayload, payloadWordsMost } from './payload.ts';
import { killSizes, receiveBatch, subscriptions } from './roles.ts';
import type { SessionResult } from './session.ts';
import { type Entry, Noted, readEntries, redeliveredMark, requeuedMark } from './witness.ts';

/** What one sender wrote down. */
interface Sender {
  /** It has not begun to publish this number, or later. */
  intended: number;
  /** It has flushed everything before. */
  flushed: number;
}

interface Reception {
  readonly lane: number;
  readonly sender: number;
  readonly number: number;
  readonly marks: number;
  readonly checksum: number;
  readonly byteLength: number;
  readonly at: number;
}

/** What must hold after a session: everything that does not, in words. */
export interface Account {
  readonly findings: readonly string[];
  readonly messages: number;
  readonly receptions: number;
  readonly redelivered: number;
  readonly requeued: number;
  /** Claimed by consumers that were killed before they wrote it down. */
  readonly unwritten: number;
  readonly fences: number;
}

/** Number of a subscription by its name. */
const place = Object.fromEntries(subscriptions.map(({ name }, index) => [name, index]));

/** Compares what participants wrote down with each other, and with what the bus tells. */
export function account(result: SessionResult): Account {
  const findings: string[] = [];
  const expect = (holds: boolean, what: () => string): void => {
    if (!holds) findings.push(what());
  };
  const senders = new Map<number, Sender>();
  const laneOf = new Map<number, { readonly which: number; readonly epoch: number; readonly killed: boolean }>();
  const receptions: Reception[] = [];
  const epochs: number[] = [];
  /** Processes that were killed after they had a lane, by subscription. */
  const killedIn = subscriptions.map(() => 0);
  let fences = 0;
  const take = ({ kind, values, at }: Entry, killed: boolean): void => {
    const [a = 0, b = 0, c = 0, d = 0, e = 0, f = 0] = values;
    if (kind === Noted.producerOpened) senders.set(a, { intended: 0, flushed: 0 });
    else if (kind === Noted.intends) (senders.get(a) ?? missing(a)).intended = b;
    else if (kind === Noted.flushed) (senders.get(a) ?? missing(a)).flushed = b;
    else if (kind === Noted.laneOpened) laneOf.set(a, { which: b, epoch: c, killed });
    else if (kind === Noted.laneFenced) fences += 1;
    else if (kind === Noted.routerBegan) epochs.push(a);
    else if (kind === Noted.received) {
      receptions.push({ lane: a, sender: b, number: c, marks: d, checksum: e, byteLength: f, at });
    }
  };
  for (const entry of readEntries(result.ownFile)) take(entry, false);
  for (const member of result.members) {
    if (member.end === undefined) continue;
    const had = new Set<number>();
    for (const entry of readEntries(member.file)) {
      take(entry, member.end === 'killed');
      if (entry.kind === Noted.laneOpened) had.add(entry.values[1] ?? 0);
    }
    if (member.end === 'killed') for (const which of had) killedIn[which] = (killedIn[which] ?? 0) + 1;
  }
  const whichOf = (it: Reception): number => laneOf.get(it.lane)?.which ?? missing(it.lane);

  // One router after the other, each with its own epoch.
  expect(new Set(epochs).size === epochs.length, () => `routers shared an epoch: ${epochs.join(' ')}`);
  expect(
    epochs.length === result.end.routerEpoch,
    () => `${epochs.length} routers began, the bus tells ${result.end.routerEpoch}`,
  );

  // Payloads, and nothing twice: the checkers' own rules. Receptions in the order in which they were written down.
  receptions.sort((a, b) => a.at - b.at);
  const words = new Int32Array(payloadWordsMost);
  const events: BusEvent[] = [];
  for (const [sender, { intended }] of senders) {
    for (let number = 0; number < intended; number += 1) {
      const count = fillPayload(words, sender, number);
      const published = { producer: sender, sequence: number, topic: 0, key: number % 11, byteLength: count * 4 };
      events.push({ event: 'published', ...published, checksum: checksumOf(words, 0, count) });
    }
  }
  for (const [lane, { which, epoch, killed }] of laneOf) {
    const { mode } = subscriptions[which] ?? missing(which);
    const group = mode === 'broadcast' ? undefined : which;
    const blocking = which !== place.copies;
    events.push({ event: 'lane-opened', lane, seat: lane, epoch, group, keyed: mode === 'keyed', blocking });
    if (killed) events.push({ event: 'lane-over', lane, proven: true });
  }
  for (const it of receptions) {
    const name = { lane: it.lane, producer: it.sender, sequence: it.number };
    const { checksum, byteLength } = it;
    const requeued = (it.marks & requeuedMark) !== 0;
    const redelivered = (it.marks & redeliveredMark) !== 0;
    events.push({ event: 'claimed', ...name });
    events.push({ event: 'received', ...name, requeued, redelivered, byteLength, checksum });
  }
  for (const check of [atMostOnce, payloadIsWhole]) {
    const outcome = check.run(events);
    for (const violation of outcome.violations.slice(0, 5)) findings.push(`${check.name}: ${violation.message}`);
  }

  // Order: a lane has a sender's messages in theirs.
  const last = new Map<string, number>();
  for (const it of receptions) {
    if (it.marks !== 0) continue;
    const of = `${it.lane}/${it.sender}`;
    const before = last.get(of) ?? -1;
    expect(it.number > before, () => `lane ${it.lane} gave ${it.sender}:${it.number} after ${before}`);
    last.set(of, Math.max(before, it.number));
  }

  // What was sent is what the group got that loses nothing: of each sender all messages up to one.
  const had = subscriptions.map((_, which) => new Set(receptions.filter((it) => whichOf(it) === which).map(nameOf)));
  const sure = had[place.sure ?? 0] ?? new Set();
  let sent = 0;
  for (const [sender, { intended, flushed }] of senders) {
    let count = 0;
    while (sure.has(nameOf({ sender, number: count }))) count += 1;
    expect(count >= flushed, () => `${sender}:${count} was flushed (${flushed} in all) and never received by 'sure'`);
    expect(count <= intended, () => `of ${sender} ${count} came, it meant to send ${intended}`);
    sent += count;
  }
  const { sources, lanes } = result.end;
  const toldSent = sum(sources, (it) => it.sent);
  expect(sure.size === sent, () => `'sure' had ${sure.size} messages, ${sent} of them without a gap`);
  expect(toldSent === sent, () => `the bus tells ${toldSent} sent, ${sent} were received by 'sure'`);
  expect(sum(sources, (it) => it.taken) === toldSent, () => 'not everything that was sent was taken');
  expect(sum(sources, (it) => it.noRoute) === 0, () => 'messages had no route');
  expect(result.end.lostByGroups === 0, () => `${result.end.lostByGroups} were lost by groups`);

  // Lanes: what was placed went out in one way. What consumers claimed and did not write down is theirs who were killed.
  const claimed = sum(lanes, (it) => it.placed - it.depth - it.evicted - it.requeuedOut - it.detached);
  const unwritten = claimed - receptions.length;
  /** What one that is killed can have taken and not written down: what it took last, by view no more than it may have open. */
  const mostUnwritten = subscriptions.map(
    ({ access, viewMax }, which) => (killedIn[which] ?? 0) * (access === 'view' ? viewMax : receiveBatch),
  );
  const mostOf = (name: string): number => mostUnwritten[place[name] ?? 0] ?? 0;
  let byGroups = 0;
  for (const name of ['work', 'keys']) {
    const lost = sent - (had[place[name] ?? 0]?.size ?? 0);
    byGroups += lost;
    expect(
      lost >= 0 && lost <= mostOf(name),
      () => `group ${name} lost ${lost} messages, at most ${mostOf(name)} may be`,
    );
  }
  const others = unwritten - byGroups;
  const mostOthers = mostOf('copies') + mostOf('sure');
  expect(
    others >= 0 && others <= mostOthers,
    () =>
      `${unwritten} claims were not written down, ${byGroups} of them by groups; at most ${mostOthers} others may be`,
  );
  expect(sum(lanes, (it) => it.depth) === 0, () => 'messages stand in lanes');

  // The lane that nobody disturbed: each message was received or refused, and nothing else.
  const own = [...laneOf].filter(
    ([lane]) => Math.floor(lane / 1000) === 900 && laneOf.get(lane)?.which === place.copies,
  );
  expect(own.length === 1, () => `the undisturbed lane was taken ${own.length - 1} times`);
  const ownLane = own[0]?.[0] ?? -1;
  const ownReceived = receptions.filter((it) => it.lane === ownLane).length;
  const ownSeat = lanes.find((it) => it.placed === ownReceived && it.placed + it.refused === sent);
  expect(
    ownSeat !== undefined,
    () => `no lane tells ${ownReceived} placed and ${sent - ownReceived} refused of ${sent}`,
  );

  // Pools: every slot is at home.
  expect(sum(sources, (it) => it.away) === 0, () => `slots are away: ${sources.map((it) => it.away).join(' ')}`);
  expect(result.ownSlots === killSizes.slots, () => `${result.ownSlots} of ${killSizes.slots} slots came home`);
  for (const failure of result.failures) findings.push(failure);
  return {
    findings,
    messages: sent,
    receptions: receptions.length,
    redelivered: receptions.filter((it) => (it.marks & redeliveredMark) !== 0).length,
    requeued: receptions.filter((it) => (it.marks & requeuedMark) !== 0).length,
    unwritten,
    fences,
  };
}

function nameOf({ sender, number }: { readonly sender: number; readonly number: number }): string {
  return `${sender}:${number}`;
}

function sum<T>(of: readonly T[], value: (it: T) => number): number {
  return of.reduce((total, it) => total + value(it), 0);
}

function missing(what: number): never {
  throw new Error(`nothing was written down of ${what} before`);
}
