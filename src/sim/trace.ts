import type { Millis } from '../host/clock.ts';
import { hashText, hex32 } from './hash.ts';

/** What kind of thing an entry of the trace is. */
export type TraceKind = 'event' | 'draw' | 'io' | 'fault' | 'note';

/** One entry of a recorded trace. */
export interface TraceEntry {
  readonly atMs: Millis;
  readonly kind: TraceKind;
  /** What happened: the label of the event, the stream that was drawn from, the operation, the fault. */
  readonly label: string;
  /** `machine#incarnation`, or `world`. */
  readonly process: string;
  /** The value that was mixed in: a draw, a result, a text. */
  readonly detail: number | string;
}

const KINDS: Readonly<Record<TraceKind, number>> = { event: 1, draw: 2, io: 3, fault: 4, note: 5 };

const doubles = new Float64Array(1);
const words = new Int32Array(doubles.buffer);

/**
 * The running hash of everything that happens in a world: two runs with equal fingerprints did the same. Two 32-bit
 * lanes of integer mixing; labels enter by the hash of their content, computed once a label, so that the fingerprint
 * does not depend on the machine or on the order in which labels were first seen.
 */
export class Trace {
  /** Virtual time that new entries carry; the scheduler moves it. */
  atMs: Millis = 0;
  /** How many things were mixed in. */
  count = 0;
  /** Every entry, if the world records; else undefined. */
  readonly entries: TraceEntry[] | undefined;
  #a = 0x243f6a88;
  #b = 0x13198a2e;
  readonly #labels = new Map<string, number>();

  constructor(options: { record: boolean }) {
    this.entries = options.record ? [] : undefined;
  }

  /** 64 bits in hexadecimal of all that happened so far. */
  get fingerprint(): string {
    return hex32(this.#a) + hex32(this.#b);
  }

  /** The hash that stands for a label. */
  labelHash(label: string): number {
    let hash = this.#labels.get(label);
    if (hash === undefined) {
      hash = hashText(label, 77);
      this.#labels.set(label, hash);
    }
    return hash;
  }

  /** An event that runs now. */
  event(label: string, process: string): void {
    this.#put(KINDS.event, label, process, this.atMs);
    if (this.entries !== undefined) this.#record('event', label, process, this.atMs);
  }

  /** A number that was drawn from the stream `label`. */
  draw(label: string, value: number): void {
    this.#mix(this.labelHash(label));
    this.#mix(value | 0);
    this.count++;
    if (this.entries !== undefined) this.#record('draw', label, 'world', value);
  }

  /** The result of an I/O operation: bytes moved, an error's number, a hash of content. */
  io(label: string, process: string, value: number): void {
    this.#put(KINDS.io, label, process, value);
    if (this.entries !== undefined) this.#record('io', label, process, value);
  }

  /** A fault that begins, strikes or ends. */
  fault(label: string, process: string, detail: string): void {
    this.#put(KINDS.fault, label, process, this.labelHash(detail));
    if (this.entries !== undefined) this.#record('fault', label, process, detail);
  }

  /** Anything else worth naming: a start, a death, a log line, an answer that a client got. */
  note(label: string, process: string, detail: string): void {
    this.#put(KINDS.note, label, process, hashText(detail, 78));
    if (this.entries !== undefined) this.#record('note', label, process, detail);
  }

  #put(kind: number, label: string, process: string, value: number): void {
    this.#mix(kind ^ this.labelHash(label));
    this.#mix(this.labelHash(process));
    doubles[0] = value;
    this.#mix(words[0] ?? 0);
    this.#mix(words[1] ?? 0);
    this.count++;
  }

  #mix(word: number): void {
    let a = Math.imul(this.#a ^ word, 0x85ebca6b);
    a ^= a >>> 15;
    const b = this.#b;
    this.#b = Math.imul(((b << 13) | (b >>> 19)) + word, 0xc2b2ae35) ^ a;
    this.#a = a;
  }

  #record(kind: TraceKind, label: string, process: string, detail: number | string): void {
    this.entries?.push({ atMs: this.atMs, kind, label, process, detail });
  }
}
