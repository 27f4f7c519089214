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
  const common = { type, id, timestamp: content.timestamp };
  switch (content.kind) {
    case 'assertion': {
      const [objectLow, objectHigh] = objectHash(content.object);
      return {
        ...common,
        subject: content.subject,
        predicate: content.predicate,
        agent: content.agent,
        objectLow,
        objectHigh,
        stage: Stage[content.stage],
        millionths: toMillionths(content.confidence),
        target: content.parent,
        epoch: content.epoch,
      };
    }
    case 'vote':
      return {
        ...NOTHING,
        ...common,
        agent: content.agent,
        stage: VoteValue[content.value],
        target: content.assertion,
      };
    case 'epoch':
      return { ...NOTHING, ...common, target: content.supersedes };
    case 'agent-weight':
      return { ...NOTHING, ...common, agent: content.agent, millionths: toMillionths(content.weight) };
  }
}

const NOTHING = {
  subject: undefined,
  predicate: undefined,
  agent: undefined,
  objectLow: 0,
  objectHigh: 0,
  stage: 0,
  millionths: 0,
  target: undefined,
  epoch: undefined,
} as const;

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
