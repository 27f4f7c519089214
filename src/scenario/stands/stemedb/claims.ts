import { hash } from 'node:crypto';
import type { Submission } from '../../../checkers/stemedb/evidence.ts';
import type { RandomStream } from '../../../host/random.ts';

/** Keys in the order of their UTF-16 code units, no white space: RFC 8785, for the values that the stand makes. */
export function canonicalJson(value: unknown): string {
  return isOrdered(value) ? JSON.stringify(value) : ordered(value);
}

/** Whether JSON.stringify writes this value in the canonical order as it is: what the clients make is. */
function isOrdered(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return true;
  if (Array.isArray(value)) return value.every(isOrdered);
  const members = value as Readonly<Record<string, unknown>>; // any object has members by name
  let last: string | undefined;
  for (const name of Object.keys(members)) {
    const member = members[name];
    if ((last !== undefined && name < last) || member === undefined || !isOrdered(member)) return false;
    last = name;
  }
  return true;
}

function ordered(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(ordered).join(',')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const members: Readonly<Record<string, unknown>> = { ...value };
  let text = '';
  for (const name of Object.keys(members).sort()) {
    if (members[name] === undefined) continue;
    text += `${text === '' ? '' : ','}${JSON.stringify(name)}:${ordered(members[name])}`;
  }
  return `{${text}}`;
}

/** Id of a content: SHA-256 of its canonical bytes, 64 hexadecimal digits. */
export function idOf(content: Readonly<Record<string, unknown>>): string {
  return hash('sha256', canonicalJson(content), 'hex');
}

/** What the clients write about. Every content is distinct, so that every record can be traced to one submission. */
export interface ClaimSource {
  /** A claim on one of the subjects; now and then one that withdraws an earlier claim. */
  assertion(): Submission;
  /** A vote on an assertion that was acknowledged; undefined before there is one. */
  vote(): Submission | undefined;
  /** The weight of an agent's voice. */
  weight(): Submission;
  /** A key that was written to, for a query; undefined before there is one. */
  key(): { readonly subject: string; readonly predicate: string } | undefined;
  /** An id that was acknowledged, or (rarely) one that never was. */
  known(): string | undefined;
  /** These were acknowledged: reads and votes may speak of them. */
  acknowledged(submissions: readonly Submission[]): void;
}

export interface ClaimOptions {
  /** Distinct subjects. */
  readonly subjects: number;
  /** Bytes of the text of an object, as the load has them now. */
  readonly textBytes: () => number;
  /** Wall time of the claims, milliseconds since 1970. */
  readonly wall: () => number;
  /** Keeps the contents of several sources apart. */
  readonly label: string;
}

/** Acknowledged records that a source remembers for reads, and as many assertions for votes and withdrawals. */
const rememberedMax = 2_000;
const predicates = ['located-in', 'caused-by', 'measured-as'] as const;
const agents = Array.from({ length: 7 }, (_, index) => hash('sha256', `agent ${index}`, 'hex'));

/** A source of claims that draws from one stream. */
export function createClaims(random: RandomStream, options: ClaimOptions): ClaimSource {
  const remembered: Submission[] = [];
  /** The assertions among what was acknowledged: votes and withdrawals speak of them. */
  const claims: Submission[] = [];
  let made = 0;

  function assertion(): Submission {
    const number = made++;
    const withdrawn = random.chance(0.03) ? pickClaim() : undefined;
    const textBytes = options.textBytes();
    const filler = textBytes > 0 ? ` ${'x'.repeat(textBytes)}` : '';
    const agent = random.chance(0.8) ? random.pick(agents) : undefined;
    const subject =
      withdrawn === undefined ? `subject-${random.integer(1, options.subjects)}` : withdrawn.content.subject;
    const predicate = withdrawn === undefined ? random.pick(predicates) : withdrawn.content.predicate;
    // Few distinct objects, so that lenses have ties and conflicts to resolve; the source makes each claim distinct.
    const text = random.chance(0.7) ? `value ${random.integer(1, 4)}` : `${options.label} ${number}${filler}`;
    const stage = withdrawn === undefined ? (random.chance(0.93) ? 'approved' : 'proposed') : 'retired';
    const confidence = random.integer(0, 20) / 20;
    const by = withdrawn === undefined ? agent : withdrawn.content.agent;
    // In canonical order, which spares sorting it for its id.
    const content = {
      ...(by === undefined ? {} : { agent: by }),
      confidence,
      kind: 'assertion',
      object: { text },
      ...(withdrawn === undefined ? {} : { parent: withdrawn.id }),
      predicate,
      source: hash('sha256', `${options.label} ${number}`, 'hex'),
      stage,
      subject,
      // Coarse, so that timestamps tie.
      timestamp: Math.floor(options.wall() / 1000) * 1000,
      v: 1,
    };
    return { id: idOf(content), kind: 'assertion', content };
  }

  function pickClaim(): Submission | undefined {
    return claims.length === 0 ? undefined : random.pick(claims);
  }

  function remember(list: Submission[], submission: Submission): void {
    if (list.length < rememberedMax) list.push(submission);
    else list[random.integer(0, rememberedMax - 1)] = submission;
  }

  function vote(): Submission | undefined {
    const target = pickClaim();
    if (target === undefined) return undefined;
    const content = {
      v: 1,
      kind: 'vote',
      assertion: target.id,
      agent: random.pick(agents),
      value: random.chance(0.6) ? 'support' : 'dispute',
      // A number of its own makes each vote distinct.
      timestamp: Math.floor(options.wall()) - random.integer(0, 1000) * 16 - (made++ % 16),
    };
    return { id: idOf(content), kind: 'vote', content };
  }

  function weight(): Submission {
    const content = {
      v: 1,
      kind: 'agent-weight',
      agent: random.pick(agents),
      // Tenths, whose sums in binary fractions depend on their order.
      weight: random.integer(1, 9) / 10,
      timestamp: Math.floor(options.wall()) - (made++ % 1000),
    };
    return { id: idOf(content), kind: 'agent-weight', content };
  }

  return {
    assertion,
    vote,
    weight,
    key() {
      const claim = pickClaim();
      if (claim === undefined) return undefined;
      return { subject: String(claim.content.subject), predicate: String(claim.content.predicate) };
    },
    known() {
      if (remembered.length === 0 || random.chance(0.02)) return hash('sha256', `never ${made++}`, 'hex');
      return random.pick(remembered).id;
    },
    acknowledged(submissions) {
      for (const submission of submissions) {
        remember(remembered, submission);
        if (submission.kind === 'assertion') remember(claims, submission);
      }
    },
  };
}
