import { shareMin } from './admission.ts';
import type { RouterCommand } from './commands.ts';
import type { Endings } from './endings.ts';
import { BusError } from './errors.ts';
import { changeLane } from './laneChange.ts';
import { LaneLife } from './laneTable.ts';
import { DetachReason, Header, Seat, SegmentState, seatWords } from './layout.ts';
import { Point } from './points.ts';
import type { PoolShares } from './poolShares.ts';
import type { RouterOptions, RouterParts } from './routerParts.ts';
import { epochOf, stateOf } from './seat.ts';
import { shareOf } from './shares.ts';
import type { SourceEndings } from './sourceEndings.ts';
import { SourceLife } from './sources.ts';

/** Carries out what operators and probes of liveness tell the router, between two polls and with nothing staged. */
export class RouterCommands {
  readonly #parts: RouterParts;
  readonly #words: Int32Array;
  readonly #endings: Endings;
  readonly #sourceEndings: SourceEndings;
  readonly #shares: PoolShares;
  readonly #set: (change: Partial<RouterOptions>) => void;

  constructor(
    parts: RouterParts,
    endings: Endings,
    sourceEndings: SourceEndings,
    shares: PoolShares,
    set: (change: Partial<RouterOptions>) => void,
  ) {
    this.#parts = parts;
    this.#words = parts.region.words;
    this.#endings = endings;
    this.#sourceEndings = sourceEndings;
    this.#shares = shares;
    this.#set = set;
  }

  /** Throws `BusError` where the segment does not allow it. */
  apply(command: Exclude<RouterCommand, { readonly do: 'sample' }>): void {
    const { routing, sources, lanes } = this.#parts;
    switch (command.do) {
      case 'change-lane':
        if (lanes.life[command.lane] !== LaneLife.live) this.#notLive('lane', command.lane);
        changeLane(this.#parts, this.#shares, command.lane, command.change);
        break;
      case 'change-producer':
        this.#changeProducer(command.seat, command.creditLimit, command.rateLimit);
        break;
      case 'detach-lane':
        if (!this.#endings.fence(command.lane, DetachReason[command.reason])) this.#notLive('lane', command.lane);
        break;
      case 'give-up-lane':
        this.#endings.giveUp(command.lane);
        break;
      case 'fence-producer':
        if (!this.#sourceEndings.fence(command.seat, DetachReason.operator)) this.#notLive('producer', command.seat);
        break;
      case 'drop-unwanted':
        this.#set({ noSubscriber: 'drop' });
        sources.suspectAll();
        break;
      case 'lift-rate':
        if (sources.life[command.seat] === SourceLife.ending) sources.setRate(command.seat, 0);
        break;
      case 'peer-dead':
        this.#peer(command.seat, command.epoch, true);
        break;
      case 'peer-doubtful':
        this.#peer(command.seat, command.epoch, false);
        break;
      case 'put-subscription':
        routing.put(command.subscription);
        sources.suspectAll();
        break;
      case 'delete-subscription':
        routing.delete(command.name);
        break;
      case 'create-topic':
        routing.createTopic(command.name);
        break;
      case 'change-router':
        if (command.batchSize !== undefined) this.#changeBatch(command.batchSize);
        break;
      case 'drain':
        this.#drain();
        break;
      case 'roll':
        // The daemon builds the next generation; this one takes no more joiners. One that is further already stays where it is.
        Atomics.compareExchange(this.#words, Header.state, SegmentState.open, SegmentState.draining);
        break;
    }
  }

  /** What a roll has made of a generation stays so: consumers leave one that is retired, and would stay in one that drains again. */
  #drain(): void {
    const { open, draining } = SegmentState;
    const state = Atomics.compareExchange(this.#words, Header.state, open, draining);
    if (state === open || state === draining) return;
    throw new BusError('IB_UNSAFE_CHANGE', 'the segment is being rolled: drain it when the roll is over', {
      expected: 'a generation that is open',
      got: state === SegmentState.retired ? 'one that is retired' : 'one that waits for the one before',
    });
  }

  #notLive(kind: string, seat: number): never {
    const index = kind === 'lane' ? this.#parts.sources.count + seat : seat;
    throw new BusError('IB_UNSAFE_CHANGE', `${kind} ${seat} is not live`, {
      expected: 'live',
      got: seatStateOf(this.#parts, index),
    });
  }

  #peer(seat: number, epoch: number, dead: boolean): void {
    const { count } = this.#parts.sources;
    const isProducer = seat < count;
    const index = isProducer ? seat : seat - count;
    if (epochOf(Atomics.load(this.#words, seatAt(this.#parts, seat))) !== epoch) return;
    const endings = isProducer ? this.#sourceEndings : this.#endings;
    if (dead) endings.drain(index, DetachReason.dead);
    // Nothing is proven: its holder may come back, and must find that it has lost the seat.
    else endings.fence(index, DetachReason.stalled);
  }

  #changeProducer(seat: number, creditLimit: number | undefined, rateLimit: number | undefined): void {
    const { sources } = this.#parts;
    // One that has ended is bound by its rate as long as its source has something.
    if (sources.life[seat] === SourceLife.none) this.#notLive('producer', seat);
    const at = seatAt(this.#parts, seat);
    // Neither says anything of the other: one that was changed alone is as good as both.
    if (creditLimit !== undefined) {
      this.#parts.region.step(Point.changeProducer);
      Atomics.store(this.#words, at + Seat.creditLimit, creditLimit);
    }
    if (rateLimit !== undefined) {
      this.#parts.region.step(Point.changeProducer);
      Atomics.store(this.#words, at + Seat.capacityOrRate, rateLimit);
      sources.setRate(seat, rateLimit);
    }
    sources.suspect(seat);
  }

  #changeBatch(batchSize: number): void {
    const { slots } = this.#parts.layout.sizes;
    checkBatch(batchSize, slots);
    const share = shareOf(this.#parts.lanes, slots, batchSize, -1, false);
    if (share < shareMin && this.#shares.any()) {
      throw new BusError('IB_UNSAFE_CHANGE', `router_batch_size ${batchSize} leaves each lane ${share} of a pool`, {
        expected: `a pool share of ${shareMin} or more`,
        got: String(share),
      });
    }
    this.#set({ batchSize });
    this.#shares.shareOutAndFit();
  }
}

/** First word of a seat, producers first, then lanes. */
function seatAt({ layout }: RouterParts, seat: number): number {
  const { producers } = layout.sizes;
  return seat < producers ? layout.producerSeats + seat * seatWords : layout.laneSeats + (seat - producers) * seatWords;
}

/** State of a seat, producers first, then lanes. */
export function seatStateOf(parts: RouterParts, seat: number): string {
  return stateOf(Atomics.load(parts.region.words, seatAt(parts, seat))) ?? 'damaged';
}

/** Whether a segment with so many slots per producer can have this batch size. */
export function fitsBatch(batchSize: number, slots: number): boolean {
  return Number.isInteger(batchSize) && batchSize >= 1 && batchSize <= 4096 && slots > 2 * batchSize;
}

/** Throws `BusError` for a batch size that a segment with so many slots per producer cannot have. */
export function checkBatch(batchSize: number, slots: number): void {
  if (fitsBatch(batchSize, slots)) return;
  throw new BusError('IB_BAD_CONFIG', `router_batch_size ${batchSize} does not fit`, {
    expected: `1 to 4096, and below half of slots_per_producer, ${slots / 2}`,
    got: String(batchSize),
  });
}
