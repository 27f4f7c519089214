import { Findings } from '../findings.ts';
import type { IndexBusCheck } from './check.ts';
import { nameOf } from './events.ts';

/** O2: at most once, but for what a consumer proven dead had begun. */
export const atMostOnce: IndexBusCheck = {
  name: 'O2',
  claim: 'no consumer gets a message twice, no group two copies; twice only with redelivered and a proven death',
  run(events) {
    const findings = new Findings('O2');
    const groupOf = new Map<number, number | undefined>();
    const had = new Map<string, number>();
    const claimed = new Map<string, number>();
    const proven = new Set<number>();
    let received = 0;
    for (const event of events) {
      if (event.event === 'lane-opened') groupOf.set(event.lane, event.group);
      else if (event.event === 'lane-over' && event.proven) proven.add(event.lane);
      else if (event.event === 'claimed')
        claimed.set(`${event.lane}/${nameOf(event)}`, (claimed.get(`${event.lane}/${nameOf(event)}`) ?? 0) + 1);
      else if (event.event === 'received') {
        received += 1;
        const group = groupOf.get(event.lane);
        const name = nameOf(event);
        const of = group === undefined ? `lane ${event.lane}: ${name}` : `group ${group}: ${name}`;
        const former = had.get(of);
        if (former !== undefined && !(event.redelivered && proven.has(former))) {
          findings.add(`${of} was received in lane ${former} and again in lane ${event.lane}`);
        }
        had.set(of, event.lane);
        const mine = `${event.lane}/${name}`;
        const claims = claimed.get(mine) ?? 0;
        if (claims === 0)
          findings.add(`message ${name} was received in lane ${event.lane} without a claim that succeeded`);
        claimed.set(mine, claims - 1);
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
    const published = new Map<string, { readonly byteLength: number; readonly checksum: number }>();
    let looks = 0;
    for (const event of events) {
      if (event.event === 'published') published.set(nameOf(event), event);
      else if (event.event === 'received' || event.event === 'looked-again') {
        looks += 1;
        const name = nameOf(event);
        const sent = published.get(name);
        if (sent === undefined)
          findings.add(`message ${name} was received in lane ${event.lane}, and nobody published it`);
        else if (
          sent.checksum !== event.checksum ||
          (event.event === 'received' && sent.byteLength !== event.byteLength)
        ) {
          const how = event.event === 'received' ? 'was received with' : 'changed while it was open to';
          findings.add(
            `message ${name} ${how} checksum ${event.checksum >>> 0}, published with ${sent.checksum >>> 0}`,
          );
        }
      }
    }
    return findings.result(`${looks} payloads`);
  },
};
