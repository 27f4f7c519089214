import { draftMessage } from '../../../consensus/message.ts';
import type { Entry, Message, MessageType } from '../../../consensus/types.ts';
import { type ByteReader, type ByteWriter, MalformedBytes } from '../../../wire/rpc/bytes.ts';
import { entryTypeNumber, entryTypeOf, readConfState, writeConfState } from './journalFormat.ts';

/** Messages that travel. Storage messages, ticks and proposals stay where they are: proposals are never forwarded. */
const travelling: readonly MessageType[] = [
  'MsgApp',
  'MsgAppResp',
  'MsgVote',
  'MsgVoteResp',
  'MsgPreVote',
  'MsgPreVoteResp',
  'MsgSnap',
  'MsgHeartbeat',
  'MsgHeartbeatResp',
  'MsgTimeoutNow',
  'MsgReadIndex',
  'MsgReadIndexResp',
  'MsgTransferLeader',
];

const Flag = { reject: 1, snapshot: 2, context: 4, entries: 8 } as const;

/** A short entry that is kept must not keep the whole buffer that it arrived in. */
const copiedBelow = 16 * 1024;

const noEntries: readonly Entry[] = [];
const noMessages: readonly Message[] = [];

/** True for a message that goes to another broker. */
export function travels(type: MessageType): boolean {
  return travelling.includes(type);
}

/** Writes a message. `responses` and `vote` belong to storage messages alone and do not travel. */
export function writeMessage(writer: ByteWriter, message: Message): void {
  const type = travelling.indexOf(message.type);
  if (type < 0) throw new Error(`${message.type} does not travel`);
  const { snapshot, context, entries } = message;
  writer.reserve(messageBytes(message));
  writer.u8(type);
  writer.u8(
    (message.reject ? Flag.reject : 0) |
      (snapshot === undefined ? 0 : Flag.snapshot) |
      (context === undefined ? 0 : Flag.context) |
      (entries.length === 0 ? 0 : Flag.entries),
  );
  writer.u48(message.to);
  writer.u48(message.from);
  writer.u32(message.term);
  writer.u32(message.logTerm);
  writer.u48(message.index);
  writer.u48(message.commit);
  writer.u48(message.rejectHint);
  if (context !== undefined) writer.bytes(context);
  const first = entries[0];
  if (first !== undefined) {
    writer.u32(entries.length);
    writer.u48(first.index);
    for (const entry of entries) {
      writer.u32(entry.term);
      writer.u8(entryTypeNumber(entry.type));
      writer.bytes(entry.data);
    }
  }
  if (snapshot !== undefined) {
    writer.u48(snapshot.metadata.index);
    writer.u32(snapshot.metadata.term);
    writeConfState(writer, snapshot.metadata.confState);
    writer.bytes(snapshot.data);
  }
}

/** Reads a message; entries and snapshot are views of the bytes. Throws `MalformedBytes`. */
export function readMessage(reader: ByteReader): Message {
  const type = travelling[reader.u8()];
  if (type === undefined) throw new MalformedBytes('a message is of an unknown type');
  const flags = reader.u8();
  const to = reader.u48();
  const from = reader.u48();
  const term = reader.u32();
  const logTerm = reader.u32();
  const index = reader.u48();
  const commit = reader.u48();
  const rejectHint = reader.u48();
  const context = (flags & Flag.context) === 0 ? undefined : reader.bytes();
  const entries = (flags & Flag.entries) === 0 ? noEntries : readEntries(reader);
  const snapshot =
    (flags & Flag.snapshot) === 0
      ? undefined
      : {
          metadata: { index: reader.u48(), term: reader.u32(), confState: readConfState(reader) },
          data: reader.bytes(),
        };
  return {
    type,
    to,
    from,
    term,
    logTerm,
    index,
    entries,
    commit,
    vote: 0,
    snapshot,
    reject: (flags & Flag.reject) !== 0,
    rejectHint,
    context,
    responses: noMessages,
  };
}

function readEntries(reader: ByteReader): Entry[] {
  const count = reader.u32();
  const first = reader.u48();
  const entries: Entry[] = [];
  for (let at = 0; at < count; at++) {
    const term = reader.u32();
    const type = entryTypeOf(reader.u8());
    const data = reader.bytes();
    entries.push({ term, index: first + at, type, data: data.length < copiedBelow ? data.slice() : data });
  }
  return entries;
}

/** What a message weighs in an outgoing queue. */
export function messageBytes(message: Message): number {
  let bytes = 64 + (message.context?.length ?? 0) + (message.snapshot?.data.length ?? 0);
  for (const entry of message.entries) bytes += entry.data.length + 9;
  return bytes;
}

/** A heartbeat or its answer without a context: the same 16 bytes for every group. */
export const heartbeatBytes = 16;

/** True for what fits the shared frame: term, commit and who follow from the frame and its connection. */
export function isPlainHeartbeat(message: Message): boolean {
  return (
    (message.type === 'MsgHeartbeat' || message.type === 'MsgHeartbeatResp') &&
    (message.context === undefined || message.context.length === 0)
  );
}

/** Writes group 4, term 4, commit 6, generation's low byte 1, answer or not 1. */
export function writeHeartbeat(writer: ByteWriter, group: number, generation: number, message: Message): void {
  writer.u32(group);
  writer.u32(message.term);
  writer.u48(message.commit);
  writer.u8(generation & 255);
  writer.u8(message.type === 'MsgHeartbeatResp' ? 1 : 0);
}

/** A heartbeat as it was read. */
export interface HeartbeatRow {
  readonly group: number;
  readonly generation: number;
  readonly message: Message;
}

/** Reads one row of the shared frame. */
export function readHeartbeat(reader: ByteReader, from: number, to: number): HeartbeatRow {
  const group = reader.u32();
  const term = reader.u32();
  const commit = reader.u48();
  const generation = reader.u8();
  const type = reader.u8() === 1 ? 'MsgHeartbeatResp' : 'MsgHeartbeat';
  const message = draftMessage(type, to, from, term);
  message.commit = commit;
  return { group, generation, message };
}
