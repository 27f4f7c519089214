import type { Host } from '../../host/host.ts';
import { unpackBacklog } from './backlog.ts';
import { ringSeatsBell } from './bells.ts';
import { distance } from './cursor.ts';
import { BusError } from './errors.ts';
import { Access, LaneCursor, Lock, Seat, SeatKind, seatNameBytes, seatTextBytes } from './layout.ts';
import { isJudged, judge } from './liveness.ts';
import { refusalOf, sentBackResult } from './mailbox.ts';
import { Point } from './points.ts';
import { isAwaited, isRetired, retired, rollAdvice } from './retirement.ts';
import { changed, epochOf, type SeatStateName, stateOf } from './seat.ts';
import type { SeatLocks } from './seatLocks.ts';
import { holderOf, type SeatKindName, type SeatPlace, seatPlaces, writeHolder } from './seatPlaces.ts';
import type { Segment } from './segment.ts';
import { readText, writeText } from './texts.ts';
import { sleepBoundMs } from './waiting.ts';
import { waitForRouter } from './wakeWait.ts';

/** A segment that this process is attached to, and the locks it holds there. */
export interface Attachment {
  readonly segment: Segment;
  readonly host: Host;
  readonly locks: SeatLocks;
  /** Aborted when its bus closes: joins and requests under way reject with IB_CLOSED then. */
  readonly closing?: AbortSignal;
}

/** A seat that is this process's own. */
export interface HeldSeat {
  readonly place: SeatPlace;
  readonly epoch: number;
  /** Lets go of the seat's lock; without effect the second time. */
  readonly release: () => void;
}

/** A seat that its holder leaves for one in the next generation. */
export interface FormerSeat {
  /** Is tried first there. */
  readonly number: number;
  /** By which the two are known as one. */
  readonly nonce: number;
}

/** What who moves to the next generation says there of the seat that it has here. */
export function formerSeat({ segment }: Attachment, { place }: HeldSeat): FormerSeat {
  return { number: place.number, nonce: segment.words[place.at + Seat.nonce] ?? 0 };
}

export interface JoinRequest {
  readonly kind: SeatKindName;
  /** Shown to operators; its first 64 bytes. */
  readonly name: string;
  /** Of a consumer: record of its subscription, and how it reads. */
  readonly subscription?: number;
  readonly access?: 'copy' | 'view';
  /** The seat of the former generation that its holder leaves for this one. */
  readonly follows?: FormerSeat;
  /** How long to wait for the router, and for a seat whose holder is going. */
  readonly attachTimeoutMs: number;
}

/**
 * Takes a free seat: its liveness lock first, so that whoever finds it claimed can ask the kernel who lives; then it claims it, writes who it is
 * and waits until the router has made it live. A joiner that dies on the way is proven dead like any other, and the router frees
 * the seat.
 *
 * Rejects with IB_NO_SEAT (who holds the seats is told), or what the router refuses with; IB_NO_ROUTER if nobody answers in time; IB_RETIRED where
 * the segment has been replaced, IB_CLOSED where the bus closes meanwhile.
 */
export async function join(attachment: Attachment, request: JoinRequest): Promise<HeldSeat> {
  const { clock } = attachment.host;
  const deadline = clock.now() + request.attachTimeoutMs;
  for (;;) {
    checkTakesSeats(attachment);
    const seat = claim(attachment, request);
    if (seat !== undefined) {
      introduce(attachment, seat, request);
      const live = await becomeLive(attachment, seat, deadline);
      if (live !== undefined) return live;
      continue;
    }
    const holders = seatPlaces(attachment.segment.layout, request.kind).map((place) => holderAt(attachment, place));
    if (!holders.some((it) => it.goes) || clock.now() >= deadline)
      throw noSeat(attachment.segment, request.kind, holders);
    await clock.sleep(Math.min(sleepBoundMs, Math.max(1, deadline - clock.now())));
  }
}

function checkTakesSeats({ segment, closing }: Attachment): void {
  if (closing?.aborted === true) throw busCloses();
  if (isRetired(segment)) throw retired(segment);
}

function busCloses(): BusError {
  return new BusError('IB_CLOSED', 'the bus closes: open it again');
}

/** Claims the first seat that is free, else one whose lane waits for a consumer of this subscription; undefined where none is. */
function claim({ segment, locks }: Attachment, request: JoinRequest): HeldSeat | undefined {
  const { words, region } = segment;
  const places = seatPlaces(segment.layout, request.kind);
  const preferred = places.filter((place) => place.number === request.follows?.number);
  const waiting =
    request.kind === 'consumer'
      ? places.filter((place) => waitsFor(segment, place, request)).sort((a, b) => laterFirst(segment, a, b))
      : [];
  const inOrder = [
    ...[...preferred, ...places].map((place) => ({ place, as: 'free' })),
    ...waiting.map((place) => ({ place, as: 'draining' })),
  ];
  for (const { place, as } of inOrder) {
    const word = Atomics.load(words, place.at);
    if (stateOf(word) !== as) continue;
    const release = locks.take(place.index);
    if (release === undefined) continue;
    region.step(Point.claimSeat);
    const claimed = changed(word, 'claimed');
    if (Atomics.compareExchange(words, place.at, word, claimed) === word) {
      return { place, epoch: epochOf(claimed), release };
    }
    release();
  }
  return undefined;
}

function waitsFor({ words }: Segment, place: SeatPlace, request: JoinRequest): boolean {
  const backlog = unpackBacklog(Atomics.load(words, place.cursors + LaneCursor.backlog));
  return backlog !== undefined && backlog.record === request.subscription;
}

/** What a lane that ended later has may be older than what one has that ended before: the router hands that over first. */
function laterFirst({ words }: Segment, a: SeatPlace, b: SeatPlace): number {
  return distance(
    Atomics.load(words, b.cursors + LaneCursor.endingOrder),
    Atomics.load(words, a.cursors + LaneCursor.endingOrder),
  );
}

function introduce({ segment, host }: Attachment, { place }: HeldSeat, request: JoinRequest): void {
  const { words, bytes, region } = segment;
  const { at } = place;
  region.step(Point.writeSeat);
  words[at + Seat.kind] = SeatKind[request.kind];
  writeHolder(words, at, host.shm.identity());
  const drawn = host.random.stream('indexbus seats').uint32() | 0;
  words[at + Seat.nonce] = request.follows?.nonce ?? drawn;
  // What the last holder had of the operator is not the next one's.
  words.fill(0, at + Seat.reason, at + Seat.name);
  words.fill(0, at + Seat.operation, at + Seat.detachAfterMs + 1);
  words[at + Seat.subscription] = request.subscription ?? 0;
  words[at + Seat.access] = Access[request.access ?? 'copy'];
  // Only what this joiner is told shall stand there.
  writeText(bytes, at + Seat.text, seatTextBytes, '');
  writeText(bytes, at + Seat.name, seatNameBytes, shortened(request.name));
}

/** As much of a name as fits, whole characters. */
function shortened(name: string): string {
  let short = name;
  while (new TextEncoder().encode(short).byteLength > seatNameBytes) short = [...short].slice(0, -1).join('');
  return short;
}

/** Undefined: the router sends the joiner to another seat. */
async function becomeLive(attachment: Attachment, seat: HeldSeat, deadline: number): Promise<HeldSeat | undefined> {
  const { segment, closing } = attachment;
  const { region, words } = segment;
  const { at, wake } = seat.place;
  region.step(Point.seatReady);
  const claimed = Atomics.load(words, at);
  if (epochOf(claimed) !== seat.epoch || stateOf(claimed) !== 'claimed') throw lost(seat);
  const ready = changed(claimed, 'ready');
  if (Atomics.compareExchange(words, at, claimed, ready) !== claimed) throw lost(seat);
  ringSeatsBell(region);
  const isDecided = (): boolean => {
    region.step(Point.seatLive);
    return Atomics.load(words, at) !== ready;
  };
  const end = await waitForRouter(attachment, wake, deadline, () => isDecided() || isRetired(segment), closing);
  // Whatever ended the wait: who changes the word first has decided.
  const word = Atomics.compareExchange(words, at, ready, changed(ready, givenUp(segment, seat.place)));
  if (word !== ready) return decided(attachment, seat, word);
  seat.release();
  ringSeatsBell(region);
  if (end === 'closing') throw busCloses();
  if (end === 'so') throw retired(segment);
  throw new BusError(
    'IB_NO_ROUTER',
    `no router answers in ${segment.name}: start one (hotfire serve indexbus), or look why it stands (hotfire indexbus triage)`,
  );
}

/** State of a seat that its joiner gives up: what waits in its lane goes on waiting. */
function givenUp({ words }: Segment, { kind, cursors }: SeatPlace): SeatStateName {
  return kind === 'consumer' && Atomics.load(words, cursors + LaneCursor.backlog) !== 0 ? 'draining' : 'free';
}

/** What the router made of a seat that was ready. A seat that was fenced right after it went live is still this holder's to acknowledge. */
function decided(attachment: Attachment, seat: HeldSeat, word: number): HeldSeat | undefined {
  const { segment } = attachment;
  const { at } = seat.place;
  if (epochOf(word) !== seat.epoch) throw lost(seat);
  // DRAINING: it was refused, or taken back as a dead one's; what waits in its lane goes on waiting.
  const isOver = stateOf(word) === 'free' || stateOf(word) === 'draining';
  if (!isOver) return seat;
  const text = readText(segment.bytes, at + Seat.text, seatTextBytes);
  const isSentBack = segment.words[at + Seat.result] === sentBackResult;
  seat.release();
  if (isSentBack) return undefined;
  throw text === ''
    ? new BusError('IB_NO_SEAT', 'the seat was taken back before it was live: try again')
    : refusalOf(text);
}

function lost(seat: HeldSeat): BusError {
  seat.release();
  return new BusError(
    'IB_NO_SEAT',
    `seat ${seat.place.index} was taken back while it was claimed: its lock was lost; try again`,
  );
}

interface HolderText {
  /** Whether the seat is about to be free. */
  readonly goes: boolean;
  readonly text: string;
}

const onTheWay: readonly (SeatStateName | undefined)[] = ['free', 'leaving', 'draining', 'acked'];

function holderAt({ segment }: Attachment, place: SeatPlace): HolderText {
  const { words, bytes, region, generation } = segment;
  const state = stateOf(Atomics.load(words, place.at));
  const holder = holderOf(words, place.at);
  const name = readText(bytes, place.at + Seat.name, seatNameBytes);
  const backlog = place.kind === 'consumer' ? Atomics.load(words, place.cursors + LaneCursor.backlog) : 0;
  const isLeft = place.kind === 'producer' && state === 'draining';
  const waits =
    backlog !== 0
      ? ', with messages that wait for the next consumer of its subscription'
      : isLeft
        ? ', until lanes have none of its messages any more'
        : '';
  const text = `${place.number} ${name || '-'} pid ${holder.pid} ${state ?? 'damaged'}${waits}`;
  if (state === undefined || onTheWay.includes(state) || !isJudged(state)) {
    return { goes: onTheWay.includes(state), text };
  }
  const { verdict, proof } = judge(region.evidence(Lock.seat(generation, place.index), holder), state);
  return { goes: verdict === 'dead', text: `${text}, ${verdict}${verdict === 'alive' ? '' : ` (${proof})`}` };
}

function noSeat(segment: Segment, kind: SeatKindName, holders: readonly HolderText[]): BusError {
  const list = holders.map((it) => it.text).join('; ');
  const key = kind === 'producer' ? 'producers_max' : 'lanes_max';
  const lanes = kind === 'producer' ? ', let consumers read or detach those that do not (hotfire indexbus lanes)' : '';
  // There is one roll at a time.
  const roll = isAwaited(segment)
    ? `roll the segment with a greater ${key} once it is rolled to this generation, ${segment.generation}: ${rollAdvice}`
    : `roll the segment with a greater ${key}`;
  return new BusError(
    'IB_NO_SEAT',
    `all ${holders.length} seats of ${kind}s are taken (${list}): end one${lanes}, or ${roll}`,
    { expected: 'a free seat', got: list },
  );
}
