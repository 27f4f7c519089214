import type { PendingOperation } from '../../../checkers/recorder.ts';
import type { AckRecord, ClientInput, ClientOutput, Submission } from '../../../checkers/stemedb/evidence.ts';
import { queryLimit } from '../../../checkers/stemedb/readYourWrites.ts';
import type { LoadControl } from '../../../faults/load.ts';
import type { Host } from '../../../host/host.ts';
import type { ClientResult, RouteClient } from '../../wire/routeClient.ts';
import type { LoadContext, Workload } from '../stand.ts';
import { type ClaimSource, createClaims } from './claims.ts';
import type { StemeLoad } from './loadSchema.ts';

/** How long a client waits beyond the server's own time-out. */
const patienceMs = 1_000;
/** How often a paused client looks whether the load has changed. */
const idleMs = 100;
/** How often a write is sent again before its client gives up. */
const resendsMax = 200;
/** Clients of one kind, whatever multiplies them. */
const writersMax = 1_000;
const lenses = ['recency', 'confidence', 'consensus'] as const;

/** Numbers of the clients' processes; a client goes on under a new one after an operation in doubt. */
export interface Numbers {
  next: number;
}

interface Client {
  readonly host: Host;
  readonly route: RouteClient;
  readonly claims: ClaimSource;
  readonly numbers: Numbers;
  process: number;
}

/** What a write is, and how it was answered. */
interface Write {
  readonly f: string;
  readonly method: 'POST';
  readonly path: string;
  readonly body: unknown;
  readonly submissions: readonly Submission[];
  readonly atomic: boolean;
}

/** Whose clients these are. */
export interface WorkloadOptions {
  /** The node that they speak to. */
  readonly node: string;
  /** Put before the names of their random streams and before what their contents are known by. */
  readonly prefix: string;
  /** Of all clients of the run. */
  readonly numbers: Numbers;
  /** The server's own time-out. */
  readonly requestTimeoutMs: () => number;
}

/** Starts the writers and readers of one node. */
export function startWorkload(
  context: LoadContext,
  initial: StemeLoad,
  { node, prefix, numbers, requestTimeoutMs }: WorkloadOptions,
): Workload & LoadControl {
  let ordered = initial;
  let load = initial;
  const factors = new Set<{ readonly factor: number }>();
  let stopped = false;
  const running: Promise<void>[] = [];
  let writers = 0;
  let readers = 0;

  function client(role: string, index: number): Client {
    const host = context.clients[index % context.clients.length];
    if (host === undefined) throw new Error('a load needs at least one client machine');
    const label = `${prefix}${role}-${index}`;
    const claims = createClaims(host.random.stream(label), {
      subjects: load.subjects,
      textBytes: () => load.text,
      wall: () => host.clock.wall(),
      label,
    });
    return { host, route: context.connect(host, node), claims, numbers, process: numbers.next++ };
  }

  function rescale(): void {
    let factor = 1;
    for (const entry of factors) factor *= entry.factor;
    load = {
      ...ordered,
      writers: Math.min(writersMax, Math.ceil(ordered.writers * factor)),
      readers: Math.min(writersMax, Math.ceil(ordered.readers * factor)),
      ...(ordered.rate === undefined || factor === 0 ? {} : { rate: ordered.rate * factor }),
    };
    grow();
  }

  function grow(): void {
    for (; writers < load.writers; writers++) running.push(writer(client('writer', writers), writers));
    for (; readers < load.readers; readers++) running.push(reader(client('reader', readers), readers));
  }

  async function writer(self: Client, index: number): Promise<void> {
    const random = self.host.random.stream(`${prefix}choices of writer ${index}`);
    const sent: Submission[] = [];
    while (!stopped) {
      if (index >= load.writers) {
        await self.host.clock.sleep(idleMs);
        continue;
      }
      await turn(self, index);
      if (stopped) break;
      const write = draw(self, random, sent);
      await writeUntilAnswered(self, write, sent);
      if (load.rate === undefined && load.think > 0) await self.host.clock.sleep(load.think);
    }
    self.route.close();
  }

  /** With a rate, each writer has its own beat, or all the same; one that is late does not catch up more than a beat. */
  async function turn(self: Client, index: number): Promise<void> {
    if (load.rate === undefined) return;
    const beat = (1000 * Math.max(1, load.writers)) / load.rate;
    const now = self.host.clock.now();
    const key = `writer ${index}`;
    const phase = (beat * index) / Math.max(1, load.writers);
    const due = load.bursts ? beat * (Math.floor(now / beat) + 1) : Math.max(beats.get(key) ?? now + phase, now - beat);
    beats.set(key, due + beat);
    // In short naps, so that a change of the load or its end is felt.
    for (let left = due - now; left > 0 && !stopped; left = due - self.host.clock.now()) {
      await self.host.clock.sleep(Math.min(left, idleMs));
    }
  }
  const beats = new Map<string, number>();
  /** Single assertions that some client waits for: a twin sends one of them too. */
  const inFlight = new Set<Submission>();

  function draw(
    self: Client,
    random: { chance(p: number): boolean; pick<T>(list: readonly T[]): T },
    sent: readonly Submission[],
  ): Write {
    if (sent.length > 0 && random.chance(load.repeats / 100)) return assertWrite(random.pick(sent));
    if (inFlight.size > 0 && random.chance(load.twins / 100)) return assertWrite(random.pick([...inFlight]));
    if (random.chance(load.weights / 100)) {
      const weight = self.claims.weight();
      return {
        ...postOf('weigh', `/v1/agents/${String(weight.content.agent)}/weight`, weight),
        body: { weight: weight.content.weight, timestamp: weight.content.timestamp },
      };
    }
    if (random.chance(load.votes / 100)) {
      const vote = self.claims.vote();
      if (vote !== undefined) return postOf('vote', '/v1/vote', vote);
    }
    if (load.batches > 0 && random.chance(load.batches / 100)) {
      const submissions = Array.from({ length: load.batch }, () => self.claims.assertion());
      const atomic = random.chance(0.5);
      const assertions = submissions.map((submission) => submission.content);
      return {
        f: 'assert-batch',
        method: 'POST',
        path: '/v1/assert/batch',
        body: { assertions, ...(atomic ? { atomic } : {}) },
        submissions,
        atomic,
      };
    }
    return assertWrite(self.claims.assertion());
  }

  async function writeUntilAnswered(self: Client, write: Write, sent: Submission[]): Promise<void> {
    for (let attempt = 0; attempt <= resendsMax; attempt++) {
      const operation = invoke(self, write.f, {
        f: 'write',
        submissions: write.submissions,
        atomic: write.atomic,
      });
      const [single] = write.submissions;
      if (write.f === 'assert' && single !== undefined) inFlight.add(single);
      const result = await self.route.call({
        method: write.method,
        path: write.path,
        body: write.body,
        timeoutMs: load.timeout ?? requestTimeoutMs() + patienceMs,
      });
      if (single !== undefined) inFlight.delete(single);
      const acks = complete(self, operation, write, result);
      if (acks !== undefined) {
        const acked = write.submissions.filter((submission) => acks.some((ack) => ack.id === submission.id));
        self.claims.acknowledged(acked);
        for (const submission of acked) {
          if (submission.kind !== 'assertion') continue;
          if (sent.length < 100) sent.push(submission);
          else sent[attempt % 100] = submission;
        }
        return;
      }
      if (stopped || !load.resend || isFinal(result)) {
        // A closed loop must not spin on refusals.
        await self.host.clock.sleep(load.backoff);
        return;
      }
      await self.host.clock.sleep(load.backoff);
      if (stopped) return;
    }
  }

  async function reader(self: Client, index: number): Promise<void> {
    const random = self.host.random.stream(`${prefix}choices of reader ${index}`);
    while (!stopped) {
      await self.host.clock.sleep(load['read every']);
      if (stopped || index >= load.readers) continue;
      if (random.chance(0.5)) await get(self, shared.known());
      else await query(self, shared.key(), random.pick(lenses));
    }
    self.route.close();
  }
  /** Readers ask for what any writer was acknowledged. */
  const shared = createClaims(
    (context.clients[0] as Host).random.stream(`${prefix}shared knowledge`), // a load has at least one client: see `client`
    { subjects: initial.subjects, textBytes: () => 0, wall: () => 0, label: 'reader' },
  );

  async function get(self: Client, id: string | undefined): Promise<void> {
    if (id === undefined) return;
    const operation = invoke(self, 'get', { f: 'get', id });
    const result = await self.route.call({ method: 'GET', path: `/v1/assertions/${id}`, timeoutMs: readTimeoutMs() });
    if (result.outcome === 'ok') operation.ok(foundOf(result.body));
    else if (result.status === 404) operation.ok({});
    else fail(self, operation, result);
  }

  async function query(
    self: Client,
    key: { subject: string; predicate: string } | undefined,
    lens: string,
  ): Promise<void> {
    if (key === undefined) return;
    const operation = invoke(self, 'query', { f: 'query', ...key, lens });
    const result = await self.route.call({
      method: 'POST',
      path: '/v1/query',
      body: { ...key, lens, limit: queryLimit },
      timeoutMs: readTimeoutMs(),
    });
    if (result.outcome === 'ok') operation.ok(answerOf(result.body));
    else fail(self, operation, result);
  }

  function readTimeoutMs(): number {
    return load.timeout ?? requestTimeoutMs() + patienceMs;
  }

  function invoke(self: Client, f: string, input: ClientInput): PendingOperation<ClientInput, ClientOutput> {
    // The history is everybody's; inputs and outputs of this engine's clients are these.
    return context.history.invoke({ process: self.process, f, input, node: self.route.node }) as PendingOperation<
      ClientInput,
      ClientOutput
    >;
  }

  /** The acknowledgements, or undefined when there is none. */
  function complete(
    self: Client,
    operation: PendingOperation<ClientInput, ClientOutput>,
    write: Write,
    result: ClientResult,
  ): readonly AckRecord[] | undefined {
    if (result.outcome !== 'ok') {
      fail(self, operation, result);
      return undefined;
    }
    const output = writeAnswerOf(result.body);
    operation.ok(output);
    shared.acknowledged(write.submissions.filter(({ id }) => output.acks?.some((ack) => ack.id === id) === true));
    return output.acks ?? [];
  }

  function fail(self: Client, operation: PendingOperation, result: Extract<ClientResult, { code: string }>): void {
    const error = {
      code: result.code,
      message: result.message,
      ...(result.status === undefined ? {} : { status: result.status }),
    };
    if (result.outcome === 'fail') {
      operation.fail(error);
      return;
    }
    operation.info(error);
    self.process = numbers.next++;
  }

  grow();
  return {
    change(next) {
      ordered = next as StemeLoad; // parsed by `stemeLoadSchema`
      rescale();
    },
    scale(factor) {
      const entry = { factor };
      factors.add(entry);
      rescale();
      return () => {
        factors.delete(entry);
        rescale();
      };
    },
    async stop() {
      stopped = true;
      await Promise.all(running);
    },
  };
}

function assertWrite(submission: Submission): Write {
  return postOf('assert', '/v1/assert', submission);
}

function postOf(f: string, path: string, submission: Submission): Write {
  return { f, method: 'POST', path, body: submission.content, submissions: [submission], atomic: false };
}

/** A refusal that sending again cannot change. */
function isFinal(result: ClientResult): boolean {
  return result.outcome === 'fail' && result.status !== undefined && result.status < 500 && result.status !== 429;
}

function record(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? (value as Readonly<Record<string, unknown>>) : {};
}

/** What an answer to a write says: one acknowledgement, or the results of a batch in order. */
export function writeAnswerOf(body: unknown): ClientOutput {
  const answer = record(body);
  if (!Array.isArray(answer.results)) {
    const ack = ackOf(answer);
    return ack === undefined ? {} : { acks: [ack] };
  }
  const acks: AckRecord[] = [];
  const rejected: { index: number; code: string }[] = [];
  answer.results.forEach((result: unknown, index) => {
    const ack = ackOf(record(result));
    if (ack !== undefined) acks.push(ack);
    else rejected.push({ index, code: String(record(record(result).error).code ?? 'UNKNOWN') });
  });
  return { acks, rejected };
}

function ackOf(answer: Readonly<Record<string, unknown>>): AckRecord | undefined {
  const { hash, lsn, status } = answer;
  if (typeof hash !== 'string' || typeof lsn !== 'number') return undefined;
  return { id: hash, lsn, status: status === 'exists' ? 'exists' : 'created' };
}

function foundOf(body: unknown): ClientOutput {
  const answer = record(body);
  const content = answer.content ?? answer.record ?? answer.assertion;
  return typeof answer.lsn === 'number' ? { found: { lsn: answer.lsn, content } } : {};
}

/** The answer of a query: ids of the candidates and of the winner. */
export function answerOf(body: unknown): ClientOutput {
  const answer = record(body);
  const candidates = Array.isArray(answer.candidates)
    ? answer.candidates.map((claim) => String(record(claim).hash))
    : [];
  const winner = record(answer.winner).hash;
  return {
    candidates,
    winner: typeof winner === 'string' ? winner : undefined,
    ...(typeof answer.lsn === 'number' ? { lsn: answer.lsn } : {}),
  };
}
