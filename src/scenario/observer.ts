import type { LogLine } from '../sim/logBook.ts';
import type { World } from '../sim/world.ts';
import {
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
  /** What was seen so far. */
  observations(): Observations;
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
      if (messages.length < observationsMax.messages) messages.push(message);
      else dropped.messages++;
    },
  );
  world.spanSink = (span) => {
    if (spans.length < observationsMax.spans) spans.push(span);
    else dropped.spans++;
  };
  world.logs.subscribe((line) => {
    if (logs.length < observationsMax.logs) logs.push(logRecord(line));
    else dropped.logs++;
  });

  return {
    state: (node, state) => void states.push({ atMs: world.now, node, state }),
    observations: () => ({ messages, spans, logs, states, dropped }),
  };
}

function logRecord({ machine, ...line }: LogLine): LogRecord {
  return { node: machine, ...line };
}
