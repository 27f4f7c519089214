import type { CpuProfile, HeapProfile, ProfileFrame } from '../../../host/profiler.ts';

/** A profile on its way into pprof's form: stacks with a value of each kind. */
export interface StackProfile {
  /** What the values are: name and unit. */
  readonly kinds: readonly (readonly [string, string])[];
  /** Leaf first. */
  readonly stacks: readonly { readonly frames: readonly ProfileFrame[]; readonly values: readonly number[] }[];
  readonly timeNanos: bigint;
  readonly durationNanos: bigint;
  readonly period: bigint;
}

/** V8's profiles as stacks. */
export const sampleProfile = { cpu: fromCpu, heap: fromHeap };

function fromCpu(profile: CpuProfile, wallMs: number): StackProfile {
  const nodes = new Map(profile.nodes.map((node) => [node.id, node]));
  const parents = new Map(
    profile.nodes.flatMap(({ id, children }) => (children ?? []).map((child) => [child, id] as const)),
  );
  const totals = new Map<number, { count: number; micros: number }>();
  for (const [at, id] of profile.samples.entries()) {
    // Waiting for work costs no CPU.
    if (nodes.get(id)?.callFrame.functionName === '(idle)') continue;
    const total = totals.get(id) ?? { count: 0, micros: 0 };
    // The time to the next sample is that of this one's stack.
    total.count += 1;
    total.micros += Math.max(0, profile.timeDeltas[at + 1] ?? 0);
    totals.set(id, total);
  }
  const stackOf = (leaf: number): ProfileFrame[] => {
    const frames: ProfileFrame[] = [];
    for (let at: number | undefined = leaf; at !== undefined; at = parents.get(at)) {
      const frame = nodes.get(at)?.callFrame;
      if (frame !== undefined && frame.functionName !== '(root)') frames.push(frame);
    }
    return frames;
  };
  const duration = profile.endTime - profile.startTime;
  return {
    kinds: [
      ['samples', 'count'],
      ['cpu', 'nanoseconds'],
    ],
    stacks: [...totals].map(([id, { count, micros }]) => ({ frames: stackOf(id), values: [count, micros * 1_000] })),
    timeNanos: BigInt(Math.round(wallMs)) * 1_000_000n,
    durationNanos: BigInt(Math.round(duration)) * 1_000n,
    period: BigInt(Math.round((duration * 1_000) / Math.max(1, profile.samples.length))),
  };
}

function fromHeap(profile: HeapProfile, wallMs: number): StackProfile {
  const stacks: { frames: readonly ProfileFrame[]; values: readonly number[] }[] = [];
  const visit = (node: HeapProfile['head'], above: readonly ProfileFrame[]): void => {
    const frames = node.callFrame.functionName === '(root)' ? above : [node.callFrame, ...above];
    if (node.selfSize > 0) stacks.push({ frames, values: [1, node.selfSize] });
    for (const child of node.children) visit(child, frames);
  };
  visit(profile.head, []);
  return {
    kinds: [
      ['inuse_objects', 'count'],
      ['inuse_space', 'bytes'],
    ],
    stacks,
    timeNanos: BigInt(Math.round(wallMs)) * 1_000_000n,
    durationNanos: 0n,
    period: 0n,
  };
}

/** Protocol buffers, as far as a profile needs them: varints and length-delimited fields. */
class ProtoWriter {
  readonly #bytes: number[] = [];

  varint(field: number, value: bigint | number): void {
    if (BigInt(value) === 0n) return;
    this.#raw((BigInt(field) << 3n) | 0n);
    this.#raw(BigInt.asUintN(64, BigInt(value)));
  }

  bytes(field: number, value: Uint8Array): void {
    this.#raw((BigInt(field) << 3n) | 2n);
    this.#raw(BigInt(value.length));
    for (const byte of value) this.#bytes.push(byte);
  }

  message(field: number, write: (writer: ProtoWriter) => void): void {
    const inner = new ProtoWriter();
    write(inner);
    this.bytes(field, inner.take());
  }

  packed(field: number, values: readonly (bigint | number)[]): void {
    const inner = new ProtoWriter();
    for (const value of values) inner.#raw(BigInt.asUintN(64, BigInt(Math.round(Number(value)))));
    this.bytes(field, inner.take());
  }

  take(): Uint8Array {
    return Uint8Array.from(this.#bytes);
  }

  #raw(value: bigint): void {
    let rest = value;
    while (rest > 0x7fn) {
      this.#bytes.push(Number(rest & 0x7fn) | 0x80);
      rest >>= 7n;
    }
    this.#bytes.push(Number(rest));
  }
}

/** The bytes of a profile in the form of pprof's profile.proto, not yet compressed. */
export function encodeProfile(profile: StackProfile): Uint8Array {
  const strings = new Map<string, number>([['', 0]]);
  const text = (value: string): number => {
    const known = strings.get(value);
    if (known !== undefined) return known;
    strings.set(value, strings.size);
    return strings.size - 1;
  };
  const functions = new Map<
    string,
    { readonly id: number; readonly name: number; readonly file: number; readonly line: number }
  >();
  const locations = new Map<string, { readonly id: number; readonly function: number; readonly line: number }>();
  const locationOf = (frame: ProfileFrame): number => {
    const name = frame.functionName === '' ? '(anonymous)' : frame.functionName;
    const functionKey = `${name} ${frame.url} ${frame.lineNumber}`;
    const known = locations.get(functionKey);
    if (known !== undefined) return known.id;
    const called = functions.get(functionKey) ?? {
      id: functions.size + 1,
      name: text(name),
      file: text(frame.url),
      // V8 counts lines from 0.
      line: frame.lineNumber + 1,
    };
    functions.set(functionKey, called);
    const location = { id: locations.size + 1, function: called.id, line: called.line };
    locations.set(functionKey, location);
    return location.id;
  };

  const out = new ProtoWriter();
  const valueType = (field: number, [name, unit]: readonly [string, string]) =>
    out.message(field, (writer) => {
      writer.varint(1, text(name));
      writer.varint(2, text(unit));
    });
  for (const kind of profile.kinds) valueType(1, kind);
  for (const { frames, values } of profile.stacks) {
    const ids = frames.map(locationOf);
    out.message(2, (writer) => {
      writer.packed(1, ids);
      writer.packed(2, values);
    });
  }
  for (const { id, function: called, line } of locations.values()) {
    out.message(4, (writer) => {
      writer.varint(1, id);
      writer.message(4, (inner) => {
        inner.varint(1, called);
        inner.varint(2, line);
      });
    });
  }
  for (const { id, name, file, line } of functions.values()) {
    out.message(5, (writer) => {
      writer.varint(1, id);
      writer.varint(2, name);
      writer.varint(3, name);
      writer.varint(4, file);
      writer.varint(5, line);
    });
  }
  const [, last] = profile.kinds;
  if (last !== undefined) valueType(11, last);
  const encoder = new TextEncoder();
  for (const value of strings.keys()) out.bytes(6, encoder.encode(value));
  out.varint(9, profile.timeNanos);
  out.varint(10, profile.durationNanos);
  out.varint(12, profile.period);
  return out.take();
}
