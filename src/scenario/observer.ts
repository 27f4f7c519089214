import type { LogLine } from '../sim/logBook.ts';
import type { World } from '../sim/world.ts';
import { createGathering } from './gathering.ts';
import { nearestTo } from './moments.ts';
import type { NodeState } from './nodeState.ts';
import {
  gatheredMax,
  type LogRecord,
  type MessageRecord,
  type Observations,
  observationsMax,
  type SpanRecord,
  type StateRecord,
} from './observations.ts';
import { createMessageTap } from './wire/messageTap.ts';

/** Watches a world from its beginning. */
export interface Observer {
  /** Something happened now that people will ask about: what is near to it is kept. */
  moment(): void;
  /** A node's process came, served, or went. */
  state(node: string, state: NodeState): void;
  readonly states: readonly StateRecord[];
  /** What was seen so far: of more than is kept, what is nearest to the moments (ascending, at least one). */
  observations(moments: readonly number[]): Observations;
}

/**
 * Begins to watch a world in which nothing has run yet. It changes nothing in it: neither events nor draws.
 *
 * @param max how many of each kind are held at a time
 */
export function observeWorld(
  world: World,
  max: Readonly<Record<keyof typeof gatheredMax, number>> = gatheredMax,
): Observer {
  const known = [0];
  const moments = (): readonly number[] => known;
  const messages = createGathering<MessageRecord>(max.messages, ({ sentMs }) => sentMs, moments);
  const spans = createGathering<SpanRecord>(max.spans, ({ startMs }) => startMs, moments);
  const logs = createGathering<LogRecord>(max.logs, ({ atMs }) => atMs, moments);
  const states: StateRecord[] = [];

  world.network.tap = createMessageTap(() => world.now, messages.add);
  world.spanSink = spans.add;
  world.logs.subscribe((line) => logs.add(logRecord(line)));

  const moment = (): void => {
    if (world.now > (known.at(-1) ?? 0)) known.push(world.now);
  };
  return {
    moment,
    state(node, state) {
      states.push({ atMs: world.now, node, state });
      moment();
    },
    states,
    observations(moments) {
      const kept = {
        messages: nearestTo(moments, messages.values, ({ sentMs }) => sentMs, observationsMax.messages),
        spans: nearestTo(moments, spans.values, ({ startMs }) => startMs, observationsMax.spans),
        logs: nearestTo(moments, logs.values, ({ atMs }) => atMs, observationsMax.logs),
      };
      return {
        ...kept,
        states,
        dropped: {
          messages: messages.dropped + messages.values.length - kept.messages.length,
          spans: spans.dropped + spans.values.length - kept.spans.length,
          logs: logs.dropped + logs.values.length - kept.logs.length,
        },
      };
    },
  };
}

function logRecord({ machine, ...line }: LogLine): LogRecord {
  return { node: machine, ...line };
}
