import { Findings } from '../findings.ts';
import type { IndexBusCheck } from './check.ts';
import { type MessageName, nameOf } from './events.ts';

/** Messages are received in the order in which they were claimed, where all is well. */
function take(claims: MessageName[], { producer, sequence }: MessageName): void {
  const [first] = claims;
  if (first?.sequence === sequence && first.producer === producer) {
    claims.shift();
    return;
  }
  const at = claims.findIndex((it) => it.sequence === sequence && it.producer === producer);
  if (at >= 0) claims.splice(at, 1);
}

/** O5: nobody else will have what a consumer has claimed, so its application must. */
export const claimedIsHanded: IndexBusCheck = {
  name: 'O5',
  claim: 'what a consumer that lives has claimed its application receives, in any way that it came into the lane',
  run(events) {
    const findings = new Findings('O5');
    /** Claimed and not yet received, by lane, in order. */
    const claims = new Map<number, MessageName[]>();
    let claimed = 0;
    const lost = (lane: number, when: string): void => {
      for (const message of claims.get(lane) ?? [])
        findings.add(`message ${nameOf(message)} was claimed in lane ${lane}, and never received: ${when}`);
      claims.delete(lane);
    };
    for (const event of events) {
      if (event.event === 'claimed') {
        claimed += 1;
        const before = claims.get(event.lane);
        if (before === undefined) claims.set(event.lane, [event]);
        else before.push(event);
      } else if (event.event === 'received' || event.event === 'withheld') {
        const own = claims.get(event.lane);
        if (own !== undefined) take(own, event);
      } else if (event.event === 'through') lost(event.lane, 'its consumer says that it is through');
      else if (event.event === 'lane-died') claims.delete(event.lane);
      else if (event.event === 'lane-over') {
        if (event.proven) claims.delete(event.lane);
        else lost(event.lane, 'its consumer has left');
      }
    }
    for (const lane of [...claims.keys()]) lost(lane, 'the run is over');
    return findings.result(`${claimed} messages claimed`);
  },
};
