import type { Message } from '../../../consensus/types.ts';
import type { Telemetry } from '../../../host/telemetry.ts';
import type { Lsn } from '../../../storage/journal/index.ts';
import { ByteReader, ByteWriter } from '../../../wire/rpc/bytes.ts';
import { frameHeaderBytes } from '../../../wire/rpc/frames.ts';
import type { Introduction } from '../../../wire/rpc/handshake.ts';
import { writeFrame } from '../../../wire/rpc/requests.ts';
import { type BrokerId, brokerOf, type GroupId, incarnationOf, raftIdOf } from '../ids.ts';
import { encodeGossip, type Gossip, readGossip } from './gossip.ts';
import {
  isPlainHeartbeat,
  messageBytes,
  readHeartbeat,
  readMessage,
  writeHeartbeat,
  writeMessage,
} from './messageCodec.ts';

/** Frames of Raft, beside those of requests. */
export const RaftFrame = { messages: 32, heartbeats: 33, gossip: 34, journalEnd: 35, probation: 36 } as const;

/** Bytes of Raft's messages that wait for one peer. What comes beyond is dropped: Raft repeats it. One always fits: a snapshot is one. */
export const raftBytesMax = 32 * 1024 * 1024;

/** A writer that has grown beyond this is given away with its content, so that no peak is kept for ever. */
const keptBytesMax = 256 * 1024;

/** The way to a peer. */
export interface OutboxPeer {
  readonly peer: Introduction | undefined;
  readonly queuedBytes: number;
  send(frames: Uint8Array): boolean;
}

/** What this turn has for one broker. */
interface Parcel {
  readonly messages: ByteWriter;
  readonly heartbeats: ByteWriter;
}

/** A message that did not leave. */
export interface Undelivered {
  readonly group: GroupId;
  readonly message: Message;
}

/** Where messages gather during a turn: all of a turn for a broker leave in one piece, all heartbeats in one frame. */
export class Outbox {
  readonly #telemetry: Telemetry;
  readonly #peerOf: (broker: BrokerId) => OutboxPeer | undefined;
  readonly #onFenced: (reason: string) => void;
  readonly #journalEnd: () => Lsn;
  readonly #parcels = new Map<BrokerId, Parcel>();
  #undelivered: Undelivered[] = [];

  constructor(options: {
    readonly telemetry: Telemetry;
    readonly peerOf: (broker: BrokerId) => OutboxPeer | undefined;
    readonly onFenced: (reason: string) => void;
    /** Last record of this broker's journal that is durable. */
    readonly journalEnd: () => Lsn;
  }) {
    this.#telemetry = options.telemetry;
    this.#peerOf = options.peerOf;
    this.#onFenced = options.onFenced;
    this.#journalEnd = options.journalEnd;
  }

  /** Takes a message for another member. It is encoded at once: nothing of it is kept. */
  add(group: GroupId, generation: number, message: Message): void {
    const broker = brokerOf(message.to);
    const way = this.#peerOf(broker);
    const peer = way?.peer;
    if (way === undefined || peer === undefined) {
      this.#undelivered.push({ group, message });
      return;
    }
    if (peer.incarnation !== incarnationOf(message.to)) {
      this.#onFenced('incarnation');
      this.#undelivered.push({ group, message });
      return;
    }
    const parcel = this.#parcelOf(broker);
    if (isPlainHeartbeat(message)) {
      if (this.#telemetry.buggify('heartbeat skipped')) return;
      // With the journal's end: a leader counts its own log, and a group that gets no more to write has no other message to tell of that.
      if (parcel.heartbeats.length === 0) beginParcel(parcel.heartbeats, RaftFrame.heartbeats);
      writeHeartbeat(parcel.heartbeats, group, generation, message);
      return;
    }
    const waiting = way.queuedBytes + parcel.messages.length;
    if (waiting > 0 && waiting + messageBytes(message) > raftBytesMax) {
      this.#undelivered.push({ group, message });
      return;
    }
    if (parcel.messages.length === 0) beginParcel(parcel.messages, RaftFrame.messages);
    parcel.messages.u32(group);
    parcel.messages.u32(generation);
    writeMessage(parcel.messages, message);
  }

  /** Sends what has gathered; gives what did not leave, so that the leaders among us hear of it. */
  flush(): readonly Undelivered[] {
    for (const [broker, { messages, heartbeats }] of this.#parcels) {
      if (messages.length === 0 && heartbeats.length === 0) continue;
      const way = this.#peerOf(broker);
      // As of now: what the last of these messages rests on is durable by now.
      const end = this.#journalEnd();
      if (heartbeats.length > 0) way?.send(endParcel(heartbeats, end));
      if (messages.length > 0) way?.send(endParcel(messages, end));
    }
    if (this.#undelivered.length === 0) return this.#undelivered;
    const undelivered = this.#undelivered;
    this.#undelivered = [];
    return undelivered;
  }

  #parcelOf(broker: BrokerId): Parcel {
    let parcel = this.#parcels.get(broker);
    if (parcel === undefined) {
      parcel = { messages: new ByteWriter(), heartbeats: new ByteWriter() };
      this.#parcels.set(broker, parcel);
    }
    return parcel;
  }
}

/** Of the frame that says how far this broker's journal is durable: it comes first, in one piece with what rests on it. */
const journalEndBytes = frameHeaderBytes + 6;
const two32 = 2 ** 32;

function writeJournalEnd(writer: ByteWriter, end: Lsn): void {
  writeFrame(writer, RaftFrame.journalEnd, (into) => into.u48(end));
}

/** Begins what goes to a broker: the journal's end, whose place is kept, and the head of a frame whose payload follows. */
function beginParcel(writer: ByteWriter, kind: number): void {
  writeJournalEnd(writer, 0);
  writer.u32(0);
  writer.u8(kind);
}

/** What was begun, whole; the writer is empty again. */
function endParcel(writer: ByteWriter, end: Lsn): Uint8Array {
  writer.patchU16(frameHeaderBytes, Math.floor(end / two32));
  writer.patchU32(frameHeaderBytes + 2, end % two32);
  writer.patchU32(journalEndBytes, writer.length - journalEndBytes - frameHeaderBytes + 1);
  return writer.length > keptBytesMax ? writer.take() : writer.copyOut();
}

/** Frames that tell of this broker: how far its journal is durable, what it leads, and where it has no vote. */
export function gossipFrame(gossip: Gossip, journalEnd: Lsn): Uint8Array {
  const payload = encodeGossip(gossip);
  const writer = new ByteWriter(payload.length + 4 * gossip.probation.length + 32);
  writeJournalEnd(writer, journalEnd);
  writeFrame(writer, RaftFrame.gossip, (into) => into.raw(payload));
  writeFrame(writer, RaftFrame.probation, (into) => {
    for (const group of gossip.probation) into.u32(group);
  });
  return writer.take();
}

/** What a frame of Raft's is about. */
export interface RaftFrames {
  message(group: GroupId, generation: number, message: Message): void;
  /** `generationByte`: the low byte of the generation. */
  heartbeat(group: GroupId, generationByte: number, message: Message): void;
  leads(group: GroupId, term: number): void;
  yields(yields: boolean): void;
  /** Where the sender has no vote: nowhere else. */
  probation(groups: ReadonlySet<GroupId>): void;
  /** The sender's journal is durable up to here. */
  journalEnd(end: Lsn): void;
}

/** Reads a frame of Raft's from a broker. Throws `MalformedBytes`; a kind that is unknown is none of ours. */
export function readRaftFrame(
  kind: number,
  payload: Uint8Array,
  from: Introduction,
  own: { readonly broker: BrokerId; readonly incarnation: number },
  take: RaftFrames,
): boolean {
  const reader = new ByteReader(payload);
  switch (kind) {
    case RaftFrame.messages:
      while (reader.left > 0) {
        const group = reader.u32();
        const generation = reader.u32();
        take.message(group, generation, readMessage(reader));
      }
      return true;
    case RaftFrame.heartbeats: {
      const sender = raftIdOf(from.broker, from.incarnation);
      const receiver = raftIdOf(own.broker, own.incarnation);
      while (reader.left > 0) {
        const { group, generation, message } = readHeartbeat(reader, sender, receiver);
        take.heartbeat(group, generation, message);
      }
      return true;
    }
    case RaftFrame.journalEnd:
      take.journalEnd(reader.u48());
      return true;
    case RaftFrame.probation: {
      const groups = new Set<GroupId>();
      while (reader.left > 0) groups.add(reader.u32());
      take.probation(groups);
      return true;
    }
    case RaftFrame.gossip:
      readGossip(reader, take);
      return true;
    default:
      return false;
  }
}
