import type { Entry, Message, MessageType, RaftId } from './types.ts';
import { appendThread, applyThread } from './types.ts';

/** A message that is still being written. */
export type MessageDraft = { -readonly [Field in keyof Message]: Message[Field] };

export const noEntries: readonly Entry[] = [];
const noMessages: readonly Message[] = [];
export const noBytes: Uint8Array = new Uint8Array(0);

/** Every message is made here, with every field, so that the engine sees one shape. */
export function draftMessage(type: MessageType, to: RaftId, from: RaftId, term: number): MessageDraft {
  return {
    type,
    to,
    from,
    term,
    logTerm: 0,
    index: 0,
    entries: noEntries,
    commit: 0,
    vote: 0,
    snapshot: undefined,
    reject: false,
    rejectHint: 0,
    context: undefined,
    responses: noMessages,
  };
}

/** Is this one of the storage threads? */
export function isStorageThread(id: RaftId): boolean {
  return id === appendThread || id === applyThread;
}

/** A member sends these to itself only; from outside they are refused. */
export function isLocalMessage(type: MessageType): boolean {
  switch (type) {
    case 'MsgHup':
    case 'MsgBeat':
    case 'MsgUnreachable':
    case 'MsgSnapStatus':
    case 'MsgCheckQuorum':
    case 'MsgStorageAppend':
    case 'MsgStorageAppendResp':
    case 'MsgStorageApply':
    case 'MsgStorageApplyResp':
      return true;
    default:
      return false;
  }
}

/** Answers make sense only from a member of the configuration. */
export function isResponseMessage(type: MessageType): boolean {
  switch (type) {
    case 'MsgAppResp':
    case 'MsgVoteResp':
    case 'MsgHeartbeatResp':
    case 'MsgUnreachable':
    case 'MsgReadIndexResp':
    case 'MsgPreVoteResp':
    case 'MsgStorageAppendResp':
    case 'MsgStorageApplyResp':
      return true;
    default:
      return false;
  }
}

/** The hard state that a MsgStorageAppend carries; undefined: it carries none. */
export function hardStateOf(message: Message): { term: number; vote: RaftId; commit: number } | undefined {
  const { term, vote, commit } = message;
  return term === 0 && vote === 0 && commit === 0 ? undefined : { term, vote, commit };
}
