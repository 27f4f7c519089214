import { hash } from 'node:crypto';
import { canonicalize } from '../../wire/jcs.ts';
import type { AgentWeightInput, AssertionInput, EpochInput, Signature, VoteInput } from './model.ts';

/** Types of the store's records in the journal. */
export const RecordType = { assertion: 1, vote: 2, epoch: 3, agentWeight: 4 } as const;
export type RecordType = (typeof RecordType)[keyof typeof RecordType];

/** Names of the types, as metrics and answers have them. */
export const TYPE_NAMES: Readonly<Record<RecordType, string>> = {
  1: 'assertion',
  2: 'vote',
  3: 'epoch',
  4: 'agent-weight',
};

type Plain<Input> = Omit<Input, 'signatures' | 'v' | 'kind'>;

/** What is hashed and stored of a claim: the input without signatures, with version and kind. */
export type AssertionContent = Plain<AssertionInput> & { readonly v: 1; readonly kind: 'assertion' };
export type VoteContent = Plain<VoteInput> & { readonly v: 1; readonly kind: 'vote' };
export type EpochContent = Plain<EpochInput> & { readonly v: 1; readonly kind: 'epoch' };
export type AgentWeightContent = Plain<AgentWeightInput> & { readonly v: 1; readonly kind: 'agent-weight' };
export type Content = AssertionContent | VoteContent | EpochContent | AgentWeightContent;

/** A record that is ready to be stored. */
export interface Prepared {
  readonly type: RecordType;
  readonly content: Content;
  /** Canonical text of the content (RFC 8785). */
  readonly canonical: string;
  /** SHA-256 of the canonical bytes, 64 hexadecimal digits. */
  readonly id: string;
  readonly signatures: readonly Signature[];
}

/**
 * The functions below name the members in the order of RFC 8785 (UTF-16 code units), and JSON.stringify keeps it and
 * prints numbers and strings as the RFC does, natively: a third of the time of sorting generically. Inputs are already
 * checked for what JSON.stringify would let pass: lone surrogates and numbers that are not finite.
 */
export function prepareAssertion(input: AssertionInput): Prepared {
  const content: AssertionContent = {
    agent: input.agent,
    confidence: input.confidence,
    epoch: input.epoch,
    kind: 'assertion',
    object: input.object,
    parent: input.parent,
    predicate: input.predicate,
    source: input.source,
    stage: input.stage,
    subject: input.subject,
    timestamp: input.timestamp,
    v: 1,
    vector: input.vector,
    visual: input.visual,
  };
  return prepared(RecordType.assertion, content, input.signatures);
}

export function prepareVote(input: VoteInput): Prepared {
  const content: VoteContent = {
    agent: input.agent,
    assertion: input.assertion,
    kind: 'vote',
    timestamp: input.timestamp,
    v: 1,
    value: input.value,
  };
  return prepared(RecordType.vote, content, input.signatures);
}

export function prepareEpoch(input: EpochInput): Prepared {
  const content: EpochContent = {
    kind: 'epoch',
    name: input.name,
    supersedes: input.supersedes,
    timestamp: input.timestamp,
    v: 1,
  };
  return prepared(RecordType.epoch, content, input.signatures);
}

export function prepareAgentWeight(input: AgentWeightInput): Prepared {
  const content: AgentWeightContent = {
    agent: input.agent,
    kind: 'agent-weight',
    timestamp: input.timestamp,
    v: 1,
    weight: input.weight,
  };
  return prepared(RecordType.agentWeight, content, input.signatures);
}

function prepared(type: RecordType, content: Content, signatures: readonly Signature[] | undefined): Prepared {
  const canonical = JSON.stringify(content);
  return { type, content, canonical, id: contentId(canonical), signatures: signatures ?? [] };
}

/**
 * SHA-256 of canonical content, 64 hexadecimal digits: the identity of a record. A string, because a buffer a record has a
 * backing store of its own, and those cost the garbage collector more than the hash costs.
 */
export function contentId(canonical: string | Uint8Array): string {
  return hash('sha256', canonical, 'hex');
}

/** The signatures of a record as they are stored. */
export function canonicalSignatures(signatures: readonly Signature[]): string {
  return canonicalize(signatures.map(({ key, signature }) => ({ key, signature })));
}
