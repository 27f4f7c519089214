import type { Operation } from '../../src/checkers/history.ts';
import type {
  LogRecord,
  MessageRecord,
  Observations,
  SpanRecord,
  StateRecord,
} from '../../src/scenario/observations.ts';
import type { RunRecord } from '../../src/scenario/runRecord.ts';

/** Options of `observedSample`. */
export interface ObservedSampleOptions {
  /** Messages, half of them requests and half of them answers, over the whole run. Default: 400. */
  readonly messages?: number;
  /** Every so manieth message is lost. Default: 37. */
  readonly lostEvery?: number;
}

const hex = (value: number, digits: number) => value.toString(16).padStart(digits, '0');

/**
 * A record with what an observed run leaves: each operation is a request of a client that the engine's node answers, with two
 * spans; the node crashes at half time and serves again after two seconds.
 */
export function observedSample(
  record: RunRecord,
  { messages: count = 400, lostEvery = 37 }: ObservedSampleOptions = {},
): RunRecord {
  const node = 'stemedb-1';
  const clients = record.nodes.filter(({ role }) => role === 'client').map(({ name }) => name);
  const pairs = Math.floor(count / 2);
  const stepMs = (record.virtualMs - 2_000) / pairs;
  const messages: MessageRecord[] = [];
  const spans: SpanRecord[] = [];
  const history: Operation[] = [];
  for (let index = 0; index < pairs; index += 1) {
    const from = clients[index % clients.length] ?? 'client-1';
    const sentMs = 1_000 + index * stepMs;
    const takesMs = 3 + (index % 11);
    const isLost = index % lostEvery === lostEvery - 1;
    const isQuery = index % 5 === 4;
    const label = isQuery ? 'GET /v1/query' : 'POST /v1/assert';
    const answeredMs = sentMs + takesMs + 0.8;
    messages.push({ sentMs, ...(!isLost && { receivedMs: sentMs + 0.4 }), from, to: node, bytes: 420, label });
    if (!isLost)
      messages.push({
        sentMs: sentMs + takesMs,
        receivedMs: answeredMs,
        from: node,
        to: from,
        bytes: 96,
        label: isQuery ? '200' : '201',
      });
    const isOpen = (record.faults[0]?.startMs ?? 0) <= answeredMs && sentMs <= (record.faults[0]?.endMs ?? 0);
    history.push({
      id: index,
      process: index % clients.length,
      f: isQuery ? 'query' : 'assert',
      input: { subject: `s-${index}`, object: `o-${index % 7}` },
      invokedAt: sentMs,
      outcome: isLost ? 'info' : 'ok',
      completedAt: isLost ? Number.POSITIVE_INFINITY : answeredMs,
      invokedOrder: index * 2,
      completedOrder: isLost ? Number.POSITIVE_INFINITY : index * 2 + 1,
      ...(!isLost && { output: { lsn: index } }),
      ...(isLost && { error: { code: 'TIMEOUT', message: 'no answer within 5 s' } }),
      node,
      faults: isOpen ? [1] : [],
    });
    if (isLost || spans.length > 4_000) continue;
    const span = (offset: number, name: string, startMs: number, endMs: number, parentId?: string): SpanRecord => ({
      id: hex(index * 4 + offset + 1, 16),
      ...(parentId !== undefined && { parentId }),
      traceId: hex(index + 1, 32),
      node,
      incarnation: 1,
      name,
      startMs,
      endMs,
      attributes: { 'http.route': label },
      status: 'unset',
    });
    const root = span(0, label, sentMs + 0.4, sentMs + takesMs);
    spans.push(root, span(1, 'wal.append', sentMs + 0.6, sentMs + takesMs - 0.5, root.id));
  }
  const halfMs = record.virtualMs / 2;
  const states: StateRecord[] = [
    { atMs: 0, node, state: 'starting' },
    { atMs: 12, node, state: 'up' },
    { atMs: halfMs, node, state: 'crashed' },
    { atMs: halfMs + 1_500, node, state: 'starting' },
    { atMs: halfMs + 2_000, node, state: 'up' },
  ];
  const logs: LogRecord[] = Array.from({ length: 200 }, (_, index) => ({
    atMs: (record.virtualMs * index) / 200,
    node,
    incarnation: 1,
    level: index % 40 === 39 ? 'error' : index % 10 === 9 ? 'warn' : 'info',
    message: index % 10 === 9 ? 'slow fsync' : 'segment rotated',
    fields: { segment: index },
  }));
  const observations: Observations = {
    messages: messages.sort((a, b) => a.sentMs - b.sentMs),
    spans,
    logs,
    states,
    dropped: { messages: 0, spans: 0, logs: 0 },
  };
  return { ...record, history, observations };
}
