import { hash } from 'node:crypto';
import { type Content, contentId, type Prepared, type RecordType } from '../content.ts';
import type { ClaimObject } from '../model.ts';
import { decodeContent, splitPayload } from '../records.ts';
import { Stage, VoteValue } from './columns.ts';

/** What the index keeps of a record: a pure function of its type and content. */
export interface RowFields {
  readonly type: RecordType;
  /** 64 hexadecimal digits. */
  readonly id: string;
  readonly subject: string | undefined;
  readonly predicate: string | undefined;
  readonly agent: string | undefined;
  readonly objectLow: number;
  readonly objectHigh: number;
  readonly timestamp: number;
  /** `Stage` of an assertion, `VoteValue` of a vote, else 0. */
  readonly stage: number;
  readonly millionths: number;
  /** Id of the parent, the voted assertion, the superseded epoch. */
  readonly target: string | undefined;
  /** Id of an assertion's epoch. */
  readonly epoch: string | undefined;
}

/** The fields of a record that is about to be, or was just written. */
export function fieldsOf(record: Prepared): RowFields {
  return fieldsOfContent(record.type, record.id, record.content);
}

/** The fields of a record as the journal has it. @throws PayloadError when it is not one of the store's */
export function fieldsOfPayload(type: number, payload: Uint8Array): RowFields {
  const { content } = splitPayload(payload);
  const decoded = decodeContent(type, content);
  return fieldsOfContent(type as RecordType, contentId(content), decoded); // decodeContent has checked the type
}

function fieldsOfContent(type: RecordType, id: string, content: Content): RowFields {
  const row = {
    type,
    id,
    subject: undefined as string | undefined, // so that all rows have one shape
    predicate: undefined as string | undefined, // as above
    agent: undefined as string | undefined, // as above
    objectLow: 0,
    objectHigh: 0,
    timestamp: content.timestamp,
    stage: 0,
    millionths: 0,
    target: undefined as string | undefined, // as above
    epoch: undefined as string | undefined, // as above
  };
  switch (content.kind) {
    case 'assertion':
      row.subject = content.subject;
      row.predicate = content.predicate;
      row.agent = content.agent;
      [row.objectLow, row.objectHigh] = objectHash(content.object);
      row.stage = Stage[content.stage];
      row.millionths = toMillionths(content.confidence);
      row.target = content.parent;
      row.epoch = content.epoch;
      return row;
    case 'vote':
      row.agent = content.agent;
      row.stage = VoteValue[content.value];
      row.target = content.assertion;
      return row;
    case 'epoch':
      row.target = content.supersedes;
      return row;
    case 'agent-weight':
      row.agent = content.agent;
      row.millionths = toMillionths(content.weight);
      return row;
  }
}

/** Millionths of a number: whole, so that sums do not depend on their order. */
export function toMillionths(value: number): number {
  return Math.round(value * 1_000_000);
}

const numberBits = new Float64Array(1);
const numberWords = new Uint32Array(numberBits.buffer);

/**
 * 64 bits by which objects are told apart: of a number its own bits, of a boolean a NaN that no number has, of text and
 * reference the head of a SHA-256. Two different objects share one with a chance of 2^-64.
 */
export function objectHash(object: ClaimObject): readonly [low: number, high: number] {
  if (object.number !== undefined) {
    numberBits[0] = object.number + 0; // −0 is 0 in canonical JSON
    return [numberWords[0] ?? 0, numberWords[1] ?? 0];
  }
  if (object.boolean !== undefined) return [object.boolean ? 2 : 1, 0x7ff80000];
  const tagged = object.text === undefined ? `r${object.reference}` : `t${object.text}`;
  const digest = hash('sha256', tagged, 'hex');
  return [Number.parseInt(digest.slice(0, 8), 16), Number.parseInt(digest.slice(8, 16), 16)];
}
