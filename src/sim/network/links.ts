import type { Millis } from '../../host/clock.ts';
import type { RandomStream } from '../../host/random.ts';
import type { SimRandom } from '../random.ts';

/** Latency of a packet between two machines of one rack, and what is added to it at random; on one machine. */
const LATENCY_MS: Millis = 0.2;
const JITTER_MS: Millis = 0.05;
const LOOPBACK_MS: Millis = 0.02;

/** Something that changes the links that it matches, for as long as it is there. Several rules add up. */
export interface LinkRule {
  /** Whether packets of this direction are concerned; both are names of machines. */
  readonly matches: (from: string, to: string) => boolean;
  /** Nothing gets through. */
  readonly blocked?: boolean;
  /** Added to the latency of each packet; drawn from the link's own stream. */
  readonly addLatencyMs?: (random: RandomStream) => Millis;
  /** Part of the packets that are lost, 0..1. */
  readonly loss?: number;
  /** The link takes no more than this many bytes a second. */
  readonly bytesPerSecond?: number;
  /** Part of the packets that meet a reset of their connection, 0..1. */
  readonly reset?: number;
  /** No read returns more bytes than this. */
  readonly sliceBytes?: number;
  /** What becomes of new connections: refused, or never answered. */
  readonly connect?: 'refuse' | 'hang';
}

/** One direction between two machines, as the rules make it now. */
export class Link {
  readonly from: string;
  readonly to: string;
  blocked = false;
  loss = 0;
  reset = 0;
  /** Infinity without a limit. */
  bytesPerMs = Number.POSITIVE_INFINITY;
  sliceBytes = Number.POSITIVE_INFINITY;
  connect: 'normal' | 'refuse' | 'hang' = 'normal';
  /** Until when the bytes that were sent before keep it busy. */
  busyUntilMs: Millis = 0;
  readonly random: RandomStream;
  #added: readonly ((random: RandomStream) => Millis)[] = [];

  constructor(from: string, to: string, random: RandomStream) {
    this.from = from;
    this.to = to;
    this.random = random;
  }

  /** How long the next packet is under way. */
  latencyMs(): Millis {
    let sum = this.from === this.to ? LOOPBACK_MS : LATENCY_MS + JITTER_MS * this.random.float();
    for (const added of this.#added) sum += Math.max(0, added(this.random));
    return sum;
  }

  apply(rules: Iterable<LinkRule>): void {
    const added: ((random: RandomStream) => Millis)[] = [];
    let delivered = 1;
    let intact = 1;
    this.blocked = false;
    this.bytesPerMs = Number.POSITIVE_INFINITY;
    this.sliceBytes = Number.POSITIVE_INFINITY;
    this.connect = 'normal';
    for (const rule of rules) {
      if (!rule.matches(this.from, this.to)) continue;
      if (rule.blocked) this.blocked = true;
      if (rule.addLatencyMs !== undefined) added.push(rule.addLatencyMs);
      delivered *= 1 - (rule.loss ?? 0);
      intact *= 1 - (rule.reset ?? 0);
      if (rule.bytesPerSecond !== undefined) this.bytesPerMs = Math.min(this.bytesPerMs, rule.bytesPerSecond / 1000);
      if (rule.sliceBytes !== undefined) this.sliceBytes = Math.min(this.sliceBytes, rule.sliceBytes);
      if (rule.connect === 'hang') this.connect = 'hang';
      if (rule.connect === 'refuse' && this.connect === 'normal') this.connect = 'refuse';
    }
    this.#added = added;
    this.loss = 1 - delivered;
    this.reset = 1 - intact;
    if (this.bytesPerMs === Number.POSITIVE_INFINITY) this.busyUntilMs = 0;
  }
}

/** Every link of a world and the rules that disturb them. */
export class Links {
  readonly #random: SimRandom;
  readonly #rules = new Set<LinkRule>();
  readonly #links = new Map<string, Map<string, Link>>();

  constructor(random: SimRandom) {
    this.#random = random;
  }

  link(from: string, to: string): Link {
    let row = this.#links.get(from);
    if (row === undefined) {
      row = new Map();
      this.#links.set(from, row);
    }
    let link = row.get(to);
    if (link === undefined) {
      link = new Link(from, to, this.#random.stream(`link/${from}/${to}`));
      link.apply(this.#rules);
      row.set(to, link);
    }
    return link;
  }

  /** Puts a rule in force; returns how to lift it. */
  add(rule: LinkRule): () => void {
    this.#rules.add(rule);
    this.#refresh();
    return () => {
      if (this.#rules.delete(rule)) this.#refresh();
    };
  }

  #refresh(): void {
    for (const row of this.#links.values()) for (const link of row.values()) link.apply(this.#rules);
  }
}
