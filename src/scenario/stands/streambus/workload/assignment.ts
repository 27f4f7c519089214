/** Subscriptions and assignments of Kafka's own consumer protocol (`ConsumerProtocolSubscription`, `ConsumerProtocolAssignment`, version 0). */
import { partitionOf, topicOf } from './context.ts';

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** What a member wants to read. */
export function encodeSubscription(topics: readonly string[]): Uint8Array {
  const names = topics.map((topic) => encoder.encode(topic));
  const bytes = Buffer.alloc(10 + names.reduce((sum, name) => sum + 2 + name.length, 0));
  bytes.writeInt32BE(names.length, 2);
  let at = 6;
  for (const name of names) {
    bytes.writeInt16BE(name.length, at);
    bytes.set(name, at + 2);
    at += 2 + name.length;
  }
  bytes.writeInt32BE(-1, at);
  return bytes;
}

/** Gives the keys to the members in turn, both in order of their names. */
export function encodeAssignment(
  members: readonly string[],
  keys: readonly string[],
): { readonly memberId: string; readonly assignment: Uint8Array }[] {
  const sorted = [...members].sort();
  return sorted.map((memberId, turn) => ({
    memberId,
    assignment: encodeKeys(keys.filter((_, index) => index % sorted.length === turn)),
  }));
}

function encodeKeys(keys: readonly string[]): Uint8Array {
  const topics = [...new Set(keys.map(topicOf))];
  const parts: Buffer[] = [];
  const head = Buffer.alloc(6);
  head.writeInt32BE(topics.length, 2);
  parts.push(head);
  for (const topic of topics) {
    const own = keys.filter((key) => topicOf(key) === topic).map(partitionOf);
    const name = encoder.encode(topic);
    const part = Buffer.alloc(2 + name.length + 4 + 4 * own.length);
    part.writeInt16BE(name.length, 0);
    part.set(name, 2);
    part.writeInt32BE(own.length, 2 + name.length);
    own.forEach((partition, index) => void part.writeInt32BE(partition, 6 + name.length + 4 * index));
    parts.push(part);
  }
  const end = Buffer.alloc(4);
  end.writeInt32BE(-1, 0);
  return Buffer.concat([...parts, end]);
}

/** The keys of an assignment; none of an empty one. */
export function decodeAssignment(assignment: Uint8Array): string[] {
  if (assignment.length === 0) return [];
  const bytes = Buffer.from(assignment.buffer, assignment.byteOffset, assignment.byteLength);
  const keys: string[] = [];
  let at = 6;
  for (let topics = bytes.readInt32BE(2); topics > 0; topics--) {
    const length = bytes.readInt16BE(at);
    const topic = decoder.decode(bytes.subarray(at + 2, at + 2 + length));
    at += 2 + length;
    const count = bytes.readInt32BE(at);
    at += 4;
    for (let index = 0; index < count; index++, at += 4) keys.push(`${topic}/${bytes.readInt32BE(at)}`);
  }
  return keys;
}
