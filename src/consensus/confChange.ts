import { noBytes } from './message.ts';
import type {
  ConfChange,
  ConfChangeSingle,
  ConfChangeTransition,
  ConfChangeType,
  ConfChangeV2,
  Entry,
  EntryType,
} from './types.ts';

// The bytes are those of raftpb, so a log can be read by other tools: ConfChange {id = 1, type = 2, node_id = 3, context = 4},
// ConfChangeV2 {transition = 1, changes = 2 {type = 1, node_id = 2}, context = 3}.

const changeTypes: readonly ConfChangeType[] = ['add-node', 'remove-node', 'update-node', 'add-learner'];
const transitions: readonly ConfChangeTransition[] = ['auto', 'joint-implicit', 'joint-explicit'];

/** Every change in its newer form. */
export function asV2(change: ConfChange | ConfChangeV2): ConfChangeV2 {
  if (change.version === 2) return change;
  return {
    version: 2,
    transition: 'auto',
    changes: [{ type: change.type, node: change.node }],
    context: change.context,
  };
}

/** Does it leave a joint configuration? */
export function leavesJoint({ transition, changes }: ConfChangeV2): boolean {
  return transition === 'auto' && changes.length === 0;
}

/** Does it need a joint configuration, and is that left by itself? Undefined: a simple change will do. */
export function entersJoint({ transition, changes }: ConfChangeV2): { readonly autoLeave: boolean } | undefined {
  if (transition === 'auto' && changes.length <= 1) return undefined;
  return { autoLeave: transition !== 'joint-explicit' };
}

/** A change as an entry's type and data. */
export function encodeConfChange(change: ConfChange | ConfChangeV2): { type: EntryType; data: Uint8Array } {
  const out: number[] = [];
  if (change.version === 1) {
    out.push(0x08, 0x00, 0x10, changeTypes.indexOf(change.type), 0x18);
    pushVarint(out, change.node);
    pushContext(out, 0x22, change.context);
    return { type: 'conf-change', data: Uint8Array.from(out) };
  }
  out.push(0x08, transitions.indexOf(change.transition));
  for (const single of change.changes) {
    const inner = [0x08, changeTypes.indexOf(single.type), 0x10];
    pushVarint(inner, single.node);
    out.push(0x12, inner.length, ...inner);
  }
  pushContext(out, 0x1a, change.context);
  return { type: 'conf-change-v2', data: Uint8Array.from(out) };
}

/** The change in an entry; undefined: the entry is none, or its bytes are no change. No bytes leave a joint configuration. */
export function decodeConfChange(entry: Pick<Entry, 'type' | 'data'>): ConfChange | ConfChangeV2 | undefined {
  if (entry.type === 'normal') return undefined;
  const fields = fieldsOf(entry.data);
  if (fields === undefined) return undefined;
  return entry.type === 'conf-change' ? v1Of(fields) : v2Of(fields);
}

type Field = readonly [number: number, value: number | Uint8Array];

function v1Of(fields: readonly Field[]): ConfChange | undefined {
  const single = singleOf(fields, 2, 3);
  const context = bytesOf(fields, 4);
  return single === undefined || context === undefined ? undefined : { version: 1, ...single, context };
}

function v2Of(fields: readonly Field[]): ConfChangeV2 | undefined {
  const transition = transitions[numberOf(fields, 1) ?? -1];
  const context = bytesOf(fields, 3);
  if (transition === undefined || context === undefined) return undefined;
  const changes: ConfChangeSingle[] = [];
  for (const [number, value] of fields) {
    if (number !== 2) continue;
    const inner = typeof value === 'number' ? undefined : fieldsOf(value);
    const single = inner === undefined ? undefined : singleOf(inner, 1, 2);
    if (single === undefined) return undefined;
    changes.push(single);
  }
  return { version: 2, transition, changes, context };
}

function singleOf(fields: readonly Field[], typeAt: number, nodeAt: number): ConfChangeSingle | undefined {
  const type = changeTypes[numberOf(fields, typeAt) ?? -1];
  const node = numberOf(fields, nodeAt);
  return type === undefined || node === undefined ? undefined : { type, node };
}

/** 0 when it is absent, undefined when it is no number. */
function numberOf(fields: readonly Field[], wanted: number): number | undefined {
  const value = fields.findLast(([number]) => number === wanted)?.[1] ?? 0;
  return typeof value === 'number' ? value : undefined;
}

function bytesOf(fields: readonly Field[], wanted: number): Uint8Array | undefined {
  const value = fields.findLast(([number]) => number === wanted)?.[1] ?? noBytes;
  return typeof value === 'number' ? undefined : value;
}

/** Numbers and byte strings of a protobuf message; undefined: it is damaged. */
function fieldsOf(data: Uint8Array): Field[] | undefined {
  const fields: Field[] = [];
  let at = 0;
  const varint = (): number | undefined => {
    let value = 0;
    for (let scale = 1; at < data.length; scale *= 128) {
      const byte = data[at++] ?? 0;
      value += (byte & 0x7f) * scale;
      if (!Number.isSafeInteger(value)) return undefined;
      if (byte < 0x80) return value;
    }
    return undefined;
  };
  while (at < data.length) {
    const tag = varint();
    const value = varint();
    if (tag === undefined || value === undefined) return undefined;
    const number = Math.floor(tag / 8);
    if (tag % 8 === 0) {
      fields.push([number, value]);
    } else if (tag % 8 === 2 && at + value <= data.length) {
      fields.push([number, data.subarray(at, at + value)]);
      at += value;
    } else {
      return undefined;
    }
  }
  return fields;
}

function pushVarint(out: number[], value: number): void {
  let rest = value;
  while (rest >= 128) {
    out.push((rest % 128) + 128);
    rest = Math.floor(rest / 128);
  }
  out.push(rest);
}

function pushContext(out: number[], tag: number, context: Uint8Array): void {
  if (context.length === 0) return;
  out.push(tag);
  pushVarint(out, context.length);
  for (const byte of context) out.push(byte);
}
