import type { OffsetToCommit } from './coordinator.ts';

/** An offset as it is kept in the log. */
export interface LoggedOffset extends OffsetToCommit {
  /** Its topic's id in hex, as the leader knew it: a topic that is made anew has another. Early entries lack it. */
  readonly topicId?: string;
}

/** A member as it is kept in the log: what a new leader needs to go on with the group. */
export interface LoggedMember {
  readonly memberId: string;
  readonly groupInstanceId: string | null;
  readonly clientId: string;
  readonly clientHost: string;
  readonly sessionTimeoutMs: number;
  readonly rebalanceTimeoutMs: number;
  /** In its order of preference. */
  readonly protocols: readonly { readonly name: string; readonly metadata: Uint8Array }[];
  /** Empty while the leader of the group has not said. */
  readonly assignment: Uint8Array;
}

/**
 * An entry of a shard of consumer groups. `wall` is the leader's wall time in milliseconds, stamped before proposing: replicas
 * know no clock.
 */
export type GroupEntry =
  /** A rebalance is complete: who belongs to the next generation. Without members the group is empty. */
  | {
      readonly kind: 'generation';
      readonly group: string;
      readonly generation: number;
      readonly protocolType: string;
      readonly protocol: string | null;
      readonly leader: string | null;
      readonly members: readonly LoggedMember[];
      readonly wall: number;
    }
  | {
      readonly kind: 'assignment';
      readonly group: string;
      readonly generation: number;
      readonly assignments: readonly (readonly [memberId: string, assignment: Uint8Array])[];
      readonly wall: number;
    }
  /** A static member came back under another member id and keeps its place (KIP-345). */
  | { readonly kind: 'replaced'; readonly group: string; readonly former: string; readonly member: LoggedMember }
  | {
      readonly kind: 'offsets';
      readonly group: string;
      readonly offsets: readonly LoggedOffset[];
      readonly wall: number;
      readonly retentionMs: number | null;
      /** Version of the metadata in which the topics existed. */
      readonly metadataVersion: number;
    }
  /** Offsets within a transaction. Refused when applied if the producer's last end is not `lastEnd` any more. */
  | {
      readonly kind: 'transaction-offsets';
      readonly group: string;
      readonly producerId: number;
      readonly producerEpoch: number;
      readonly lastEnd: number;
      readonly offsets: readonly LoggedOffset[];
      readonly wall: number;
      readonly metadataVersion: number;
    }
  | {
      readonly kind: 'transaction-end';
      readonly producerId: number;
      readonly producerEpoch: number;
      readonly coordinatorEpoch: number;
      /** Grows with every transaction of the id: a marker that comes late must not end a later one. */
      readonly transaction: number;
      readonly commit: boolean;
      /** Groups that the transaction added. */
      readonly groups: readonly string[];
      readonly wall: number;
    }
  /** What has outlived its retention. An offset goes only if it is still the one that was written at `at`. */
  | {
      readonly kind: 'expire';
      readonly offsets: readonly (readonly [group: string, topic: string, partition: number, at: number])[];
      /** Groups that are empty and have no offsets. */
      readonly groups: readonly string[];
      /** Producers that were not heard of since the wall time beside them. */
      readonly producers: readonly (readonly [producerId: number, wall: number])[];
    }
  | {
      readonly kind: 'delete-offsets';
      readonly group: string;
      readonly partitions: readonly (readonly [topic: string, partition: number])[];
    }
  | { readonly kind: 'delete-group'; readonly group: string };

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** Marks bytes in JSON, as their base64. No other object of an entry has a field of this name. */
const bytesKey = '$b';

/** An entry, or a state, as bytes: JSON, in which bytes are base64. The form is part of the disk format. */
export function encodeJson(value: unknown): Uint8Array {
  return encoder.encode(
    JSON.stringify(value, (_, part: unknown) =>
      // `Buffer` has a toJSON of its own, which runs before the replacer: only plain Uint8Arrays may stand in entries.
      part instanceof Uint8Array
        ? { [bytesKey]: Buffer.from(part.buffer, part.byteOffset, part.length).toString('base64') }
        : part,
    ),
  );
}

/** What `encodeJson` wrote. Throws on anything else: what is in the log was written by a broker. */
export function decodeJson(bytes: Uint8Array): unknown {
  return JSON.parse(decoder.decode(bytes), (_, part: unknown) => {
    if (typeof part !== 'object' || part === null || !(bytesKey in part)) return part;
    const text = part[bytesKey];
    if (typeof text !== 'string') throw new TypeError(`expected base64 under ${bytesKey}, got ${typeof text}`);
    return new Uint8Array(Buffer.from(text, 'base64'));
  });
}

/** A copy in memory of its own, as a plain array: what was decoded is a view of the request's frame. */
export function owned(bytes: Uint8Array): Uint8Array {
  return Uint8Array.prototype.slice.call(new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length));
}
