import { Findings } from '../findings.ts';
import { ByMessage, bookOf } from './byMessage.ts';
import type { IndexBusCheck } from './check.ts';
import { nameOf } from './events.ts';

/** O2: at most once, but for what a consumer proven dead had begun. */
export const atMostOnce: IndexBusCheck = {
  name: 'O2',
  claim: 'no consumer gets a message twice, no group two copies; twice only with redelivered and a proven death',
  run(events) {
    const findings = new Findings('O2');
    const groupOf = new Map<number, number | undefined>();
    /** By group, or by lane where it has none: in which lane a message was received. */
    const ofGroups = new Map<number, ByMessage<number>>();
    const ofLanes = new Map<number, ByMessage<number>>();
    const claimed = new Map<number, ByMessage<number>>();
    const proven = new Set<number>();
    let received = 0;
    for (const event of events) {
      if (event.event === 'lane-opened') groupOf.set(event.lane, event.group);
      else if (event.event === 'lane-over' && event.proven) proven.add(event.lane);
      else if (event.event === 'claimed') {
        const claims = bookOf(claimed, event.lane);
        claims.set(event, (claims.get(event) ?? 0) + 1);
      } else if (event.event === 'received') {
        received += 1;
        const group = groupOf.get(event.lane);
        const had = group === undefined ? bookOf(ofLanes, event.lane) : bookOf(ofGroups, group);
        const former = had.get(event);
        if (former !== undefined && !(event.redelivered && proven.has(former))) {
          const of = group === undefined ? `lane ${event.lane}` : `group ${group}`;
          findings.add(`${of}: ${nameOf(event)} was received in lane ${former} and again in lane ${event.lane}`);
        }
        had.set(event, event.lane);
        const mine = bookOf(claimed, event.lane);
        const claims = mine.get(event) ?? 0;
        if (claims === 0)
          findings.add(`message ${nameOf(event)} was received in lane ${event.lane} without a claim that succeeded`);
        mine.set(event, claims - 1);
      }
    }
    return findings.result(`${received} messages received`);
  },
};

/** O3: what is received is what was published, and stays so while it is open. */
export const payloadIsWhole: IndexBusCheck = {
  name: 'O3',
  claim: 'payload received = payload published; an open view never changes',
  run(events) {
    const findings = new Findings('O3');
    const published = new ByMessage<{ readonly byteLength: number; readonly checksum: number }>();
    let looks = 0;
    for (const event of events) {
      if (event.event === 'published') published.set(event, event);
      else if (event.event === 'received' || event.event === 'looked-again') {
        looks += 1;
        const sent = published.get(event);
        if (sent === undefined)
          findings.add(`message ${nameOf(event)} was received in lane ${event.lane}, and nobody published it`);
        else if (
          sent.checksum !== event.checksum ||
          (event.event === 'received' && sent.byteLength !== event.byteLength)
        ) {
          const how = event.event === 'received' ? 'was received with' : 'changed while it was open to';
          findings.add(
            `message ${nameOf(event)} ${how} checksum ${event.checksum >>> 0}, published with ${sent.checksum >>> 0}`,
          );
        }
      }
    }
    return findings.result(`${looks} payloads`);
  },
};
