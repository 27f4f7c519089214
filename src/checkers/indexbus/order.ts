import { Findings } from '../findings.ts';
import { ByMessage } from './byMessage.ts';
import type { IndexBusCheck } from './check.ts';
import { type MessageName, nameOf, pairOf } from './events.ts';

/** O1: a lane has a producer's messages in their order; what is missing was dropped, or went elsewhere. */
export const lanesKeepOrder: IndexBusCheck = {
  name: 'O1',
  claim: 'per producer and lane sequences grow; each gap is a recorded drop or went to another lane; requeued excepted',
  run(events) {
    const findings = new Findings('O1');
    const last = new Map<number, number>();
    /** Placed in a lane, not yet received there, in order. */
    const awaited = new Map<number, MessageName[]>();
    let received = 0;
    for (const event of events) {
      if (event.event === 'placed' && !event.requeued && !event.redelivered) {
        const of = pairOf(event.lane, event.producer);
        const queue = awaited.get(of) ?? [];
        queue.push(event);
        awaited.set(of, queue);
      } else if (event.event === 'evicted' || event.event === 'requeued-out' || event.event === 'detached') {
        const of = pairOf(event.lane, event.producer);
        awaited.set(
          of,
          (awaited.get(of) ?? []).filter((it) => it.sequence !== event.sequence),
        );
      } else if (event.event === 'received') {
        received += 1;
        if (event.requeued || event.redelivered) continue;
        const of = pairOf(event.lane, event.producer);
        const before = last.get(of) ?? -1;
        if (event.sequence <= before) {
          findings.add(`lane ${event.lane} gave message ${nameOf(event)} after number ${before} of the same producer`);
        }
        last.set(of, Math.max(before, event.sequence));
        const next = awaited.get(of)?.shift();
        if (next?.sequence !== event.sequence) {
          findings.add(
            `lane ${event.lane} gave message ${nameOf(event)}, and ${next === undefined ? 'nothing' : `number ${next.sequence}`} was next in it`,
          );
        }
      }
    }
    return findings.result(`${received} messages received`);
  },
};

interface KeyedMessage {
  readonly name: string;
  readonly group: number;
  readonly lane: number;
  readonly sequence: number;
}

/** O4: what a lane gives back goes before anything newer; a key's messages of one producer are received in their order, and the next owner only gets one when the former is through. */
export const keysKeepOrder: IndexBusCheck = {
  name: 'O4',
  claim:
    "keyed: per key, receipt order = publish order; received only after the former lane's done passed its predecessors",
  run(events) {
    const findings = new Findings('O4');
    const keyOf = new ByMessage<number>();
    const keyed = new Map<number, number>();
    const last = new Map<string, KeyedMessage>();
    /** Received by a lane's application and not yet ended. */
    const open = new Map<number, Set<string>>();
    const over = new Set<number>();
    let received = 0;
    for (const event of events) {
      if (event.event === 'published') keyOf.set(event, event.key);
      else if (event.event === 'lane-opened' && event.keyed && event.group !== undefined)
        keyed.set(event.lane, event.group);
      else if (event.event === 'lane-over' || event.event === 'lane-fenced') over.add(event.lane);
      else if (event.event === 'overtook') {
        findings.add(`message ${nameOf(event)} was placed before older ones that lane ${event.lane} had to give back`);
      } else if (event.event === 'through') open.get(event.lane)?.clear();
      else if (event.event === 'received') {
        const group = keyed.get(event.lane);
        if (group === undefined) continue;
        received += 1;
        const name = nameOf(event);
        const key = keyOf.get(event);
        const here = { name, group, lane: event.lane, sequence: event.sequence };
        const of = `${group}/${event.producer}/${key}`;
        const before = last.get(of);
        if (before !== undefined && !event.redelivered) {
          if (before.sequence >= event.sequence) {
            findings.add(
              `key ${key}: message ${name} was received in lane ${event.lane} after number ${before.sequence} in lane ${before.lane}`,
            );
          }
          // The right of a lane that was fenced or died ends there.
          if (before.lane !== event.lane && !over.has(before.lane) && open.get(before.lane)?.has(before.name)) {
            findings.add(
              `key ${key}: message ${name} was received while lane ${before.lane} was not through with ${before.name}`,
            );
          }
        }
        last.set(of, here);
        const opened = open.get(event.lane) ?? new Set<string>();
        opened.add(name);
        open.set(event.lane, opened);
      }
    }
    return findings.result(`${received} messages received by key`);
  },
};
