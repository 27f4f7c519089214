import type { BusEvent, SlotPlaces } from '../../../../src/checkers/indexbus/events.ts';

/** Kinds of facts: what a witness writes down while a run goes on, eight words each, so that threads can share the book. */
export const Fact = {
  producerOpened: 1,
  producerOver: 2,
  laneOpened: 3,
  laneOver: 4,
  seatFreed: 5,
  routerBegan: 6,
  routerOver: 7,
  routerWrote: 8,
  published: 9,
  refused: 10,
  flushed: 11,
  taken: 12,
  placed: 13,
  evicted: 14,
  requeuedOut: 15,
  detached: 16,
  depth: 17,
  committed: 18,
  spare: 19,
  claimed: 20,
  received: 21,
  lookedAgain: 22,
  through: 23,
  stuck: 24,
  /** Slots that a producer has at home, by its own book. */
  credit: 25,
  /** What the words of a seat told when its lane was opened: they go on counting from there. */
  baseDrops: 26,
  baseMoves: 27,
  laneFenced: 28,
  accepted: 29,
} as const;

const factWords = 8;
const factsMax = 8000;
/** Bytes of a book. */
export const factBytes = 4 * (1 + factWords * factsMax);

/** The book of a run, in shared memory: whoever has the baton writes. */
export class FactLog {
  readonly #words: Int32Array;

  constructor(memory: ArrayBufferLike, from: number) {
    this.#words = new Int32Array(memory, from, factBytes / 4);
  }

  clear(): void {
    this.#words[0] = 0;
  }

  put(kind: number, a = 0, b = 0, c = 0, d = 0, e = 0, f = 0, g = 0): void {
    const count = this.#words[0] ?? 0;
    if (count >= factsMax) throw new Error(`more than ${factsMax} facts`);
    const at = 1 + count * factWords;
    const words = this.#words;
    words[at] = kind;
    words[at + 1] = a;
    words[at + 2] = b;
    words[at + 3] = c;
    words[at + 4] = d;
    words[at + 5] = e;
    words[at + 6] = f;
    words[at + 7] = g;
    words[0] = count + 1;
  }

  /** The latest fact of a kind whose first word is accepted; that word, or undefined. */
  last(kind: number, accepts: (first: number) => boolean): number | undefined {
    for (let index = (this.#words[0] ?? 0) - 1; index >= 0; index -= 1) {
      const at = 1 + index * factWords;
      const first = this.#words[at + 1] ?? 0;
      if (this.#words[at] === kind && accepts(first)) return first;
    }
    return undefined;
  }

  /** The facts so far, as the checks read them. */
  events(): {
    readonly events: BusEvent[];
    readonly credits: ReadonlyMap<number, number>;
    readonly bases: ReadonlyMap<number, readonly number[]>;
  } {
    const decoder = new Decoder();
    const count = this.#words[0] ?? 0;
    for (let index = 0; index < count; index += 1) {
      const at = 1 + index * factWords;
      decoder.take(this.#words.subarray(at, at + factWords));
    }
    return decoder;
  }
}

function bits(mask: number): number[] {
  const set: number[] = [];
  for (let bit = 0; bit < 32; bit += 1) if ((mask >>> bit) & 1) set.push(bit);
  return set;
}

class Decoder {
  readonly events: BusEvent[] = [];
  readonly credits = new Map<number, number>();
  /** Words of each lane when it was opened, in the order of their opening. */
  readonly bases = new Map<number, number[]>();
  readonly #lanes = new Map<number, number>();
  #depths: (BusEvent & { event: 'committed' })['lanes'][number][] = [];
  #spare: (BusEvent & { event: 'committed' })['spare'][number][] = [];

  take(words: Int32Array): void {
    const [kind = 0, a = 0, b = 0, c = 0, d = 0, e = 0, f = 0] = words;
    switch (kind) {
      case Fact.producerOpened:
        this.events.push({ event: 'producer-opened', producer: a, seat: b, epoch: c });
        break;
      case Fact.producerOver:
        this.events.push({ event: 'producer-over', producer: a });
        break;
      case Fact.laneOpened:
        this.#lanes.set(b, a);
        this.events.push({
          event: 'lane-opened',
          lane: a,
          seat: b,
          epoch: c,
          group: d < 0 ? undefined : d,
          keyed: e === 1,
          blocking: f === 1,
        });
        break;
      case Fact.laneOver:
        this.events.push({ event: 'lane-over', lane: a, proven: b === 1 });
        break;
      case Fact.laneFenced:
        this.events.push({ event: 'lane-fenced', lane: a });
        break;
      case Fact.seatFreed:
        this.events.push({ event: 'seat-freed', kind: a === 0 ? 'producer' : 'lane', seat: b, epoch: c });
        break;
      case Fact.routerBegan:
        this.events.push({ event: 'router-began', router: a });
        break;
      case Fact.routerOver:
        this.events.push({ event: 'router-over', router: a });
        break;
      case Fact.routerWrote:
        this.events.push({ event: 'router-wrote', router: a });
        break;
      case Fact.published:
        this.events.push({
          event: 'published',
          producer: a,
          sequence: b,
          topic: c,
          key: d,
          byteLength: e,
          checksum: f,
        });
        break;
      case Fact.refused:
        this.events.push({ event: 'publish-refused', producer: a });
        break;
      case Fact.accepted:
        this.events.push({ event: 'publish-accepted', producer: a, through: b });
        break;
      case Fact.flushed:
        this.events.push({ event: 'flushed', producer: a, through: b });
        break;
      case Fact.taken:
        this.events.push({
          event: 'taken',
          producer: a,
          sequence: b,
          lanes: bits(c).map((seat) => this.#lanes.get(seat) ?? -1),
          groups: bits(d),
        });
        break;
      case Fact.committed:
        this.events.push({ event: 'committed', lanes: this.#depths, spare: this.#spare });
        this.#depths = [];
        this.#spare = [];
        break;
      case Fact.depth:
        this.#depths.push({ lane: a, depth: b, capacity: c, creditLimit: d });
        break;
      case Fact.spare:
        this.#spare.push({ producer: a, slots: b, atLeast: c });
        break;
      case Fact.stuck:
        this.events.push({ event: 'stuck', who: `participant ${a}` });
        break;
      case Fact.baseDrops:
        this.bases.set(a, [b, c, d, e, f, words[7] ?? 0]);
        break;
      case Fact.baseMoves:
        this.bases.get(a)?.push(b, c, d);
        break;
      case Fact.credit:
        this.credits.set(a, b);
        break;
      default:
        this.#ofLane(kind, words);
    }
  }

  #ofLane(kind: number, words: Int32Array): void {
    const [, lane = 0, producer = 0, sequence = 0, d = 0, e = 0, f = 0] = words;
    const it = { lane, producer, sequence };
    if (kind === Fact.placed) {
      this.events.push({ event: 'placed', ...it, requeued: d === 1, redelivered: e === 1 });
    } else if (kind === Fact.evicted) this.events.push({ event: 'evicted', ...it });
    else if (kind === Fact.requeuedOut) this.events.push({ event: 'requeued-out', ...it });
    else if (kind === Fact.detached) this.events.push({ event: 'detached', ...it });
    else if (kind === Fact.claimed) this.events.push({ event: 'claimed', ...it });
    else if (kind === Fact.lookedAgain) this.events.push({ event: 'looked-again', ...it, checksum: d });
    else if (kind === Fact.through) this.events.push({ event: 'through', lane });
    else if (kind === Fact.received) {
      const flags = { requeued: (d & 1) === 1, redelivered: (d & 2) === 2 };
      this.events.push({ event: 'received', ...it, ...flags, byteLength: e, checksum: f });
    } else throw new Error(`there is no fact ${kind}`);
  }
}

/** An event that tells of slots. */
export function slotsEvent(places: readonly SlotPlaces[]): BusEvent {
  return { event: 'slots', quiet: true, places };
}
