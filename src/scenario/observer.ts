import type { LogLine } from '../sim/logBook.ts';
import type { World } from '../sim/world.ts';
import { nearestTo } from './moments.ts';
import {
  gatheredMax,
  type LogRecord,
  type MessageRecord,
  type Observations,
  observationsMax,
  type SpanRecord,
  type StateRecord,
} from './observations.ts';
import type { NodeState } from './stands/stand.ts';
import { createMessageTap } from './wire/messageTap.ts';

/** Watches a world from its beginning. */
export interface Observer {
  /** A node's process came, served, or went. */
  state(node: string, state: NodeState): void;
  readonly states: readonly StateRecord[];
  /** What was seen so far: of more than is kept, what is nearest to the moments (ascending, at least one). */
  observations(moments: readonly number[]): Observations;
}

/** Begins to watch a world in which nothing has run yet. It changes nothing in it: neither events nor draws. */
export function observeWorld(world: World): Observer {
  const messages: MessageRecord[] = [];
  const spans: SpanRecord[] = [];
  const logs: LogRecord[] = [];
  const states: StateRecord[] = [];
  const dropped = { messages: 0, spans: 0, logs: 0 };

  world.network.tap = createMessageTap(
    () => world.now,
    (message) => {
      if (messages.length < gatheredMax.messages) messages.push(message);
      else dropped.messages++;
    },
  );
  world.spanSink = (span) => {
    if (spans.length < gatheredMax.spans) spans.push(span);
    else dropped.spans++;
  };
  world.logs.subscribe((line) => {
    if (logs.length < gatheredMax.logs) logs.push(logRecord(line));
    else dropped.logs++;
  });

  return {
    state: (node, state) => void states.push({ atMs: world.now, node, state }),
    states,
    observations(moments) {
      const kept = {
        messages: nearestTo(moments, messages, ({ sentMs }) => sentMs, observationsMax.messages),
        spans: nearestTo(moments, spans, ({ startMs }) => startMs, observationsMax.spans),
        logs: nearestTo(moments, logs, ({ atMs }) => atMs, observationsMax.logs),
      };
      return {
        ...kept,
        states,
        dropped: {
          messages: dropped.messages + messages.length - kept.messages.length,
          spans: dropped.spans + spans.length - kept.spans.length,
          logs: dropped.logs + logs.length - kept.logs.length,
        },
      };
    },
  };
}

function logRecord({ machine, ...line }: LogLine): LogRecord {
  return { node: machine, ...line };
}
