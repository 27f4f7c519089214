import { Findings } from '../findings.ts';
import type { IndexBusCheck } from './check.ts';

/** F1: a seat is its former holder's until that one can write no more. */
export const seatsAreFenced: IndexBusCheck = {
  name: 'F1',
  claim: 'no seat is reused while its former holder can write; after FREE no word changes by an older epoch',
  run(events) {
    const findings = new Findings('F1');
    /** Holder that can write, by seat. */
    const holders = new Map<string, { readonly who: number; readonly epoch: number }>();
    const seatOf = new Map<string, string>();
    const freed = new Map<string, number>();
    let seats = 0;
    for (const event of events) {
      if (event.event === 'producer-opened' || event.event === 'lane-opened') {
        seats += 1;
        const kind = event.event === 'producer-opened' ? 'producer' : 'lane';
        const who = event.event === 'producer-opened' ? event.producer : event.lane;
        const seat = `${kind} seat ${event.seat}`;
        const holder = holders.get(seat);
        if (holder !== undefined)
          findings.add(`${seat} went to ${who} while its former holder ${holder.who} can still write`);
        holders.set(seat, { who, epoch: event.epoch });
        seatOf.set(`${kind} ${who}`, seat);
      } else if (event.event === 'producer-over' || event.event === 'lane-over') {
        const name = event.event === 'producer-over' ? `producer ${event.producer}` : `lane ${event.lane}`;
        const seat = seatOf.get(name);
        const who = event.event === 'producer-over' ? event.producer : event.lane;
        if (seat !== undefined && holders.get(seat)?.who === who) holders.delete(seat);
      } else if (event.event === 'seat-freed') {
        const seat = `${event.kind} seat ${event.seat}`;
        const holder = holders.get(seat);
        if (holder !== undefined) findings.add(`${seat} was freed while its holder ${holder.who} can still write`);
        freed.set(seat, event.epoch);
      } else if (event.event === 'seat-written') {
        const seat = `${event.kind} seat ${event.seat}`;
        const gone = freed.get(seat);
        if (gone !== undefined && event.epoch <= gone)
          findings.add(`epoch ${event.epoch} wrote to ${seat}, which was freed at epoch ${gone}`);
      }
    }
    return findings.result(`${seats} seats taken`);
  },
};

/** R1: one router; a recovery that is repeated changes nothing; and what it leaves is what an uncrashed router would. */
export const oneRouter: IndexBusCheck = {
  name: 'R1',
  claim: 'one router at a time; recovery twice = once; counts and tails after it = those of an uncrashed twin',
  run(events) {
    const findings = new Findings('R1');
    let now: number | undefined;
    let recoveries = 0;
    for (const event of events) {
      if (event.event === 'router-began') {
        if (now !== undefined) findings.add(`router ${event.router} began while router ${now} was at work`);
        now = event.router;
      } else if (event.event === 'router-over') {
        if (now === event.router) now = undefined;
      } else if (event.event === 'router-wrote' && event.router !== now) {
        findings.add(
          `router ${event.router} wrote while ${now === undefined ? 'there was none' : `router ${now} was at work`}`,
        );
      } else if (event.event === 'recovered') {
        recoveries += 1;
        for (const { word, is, twin } of event.differing) {
          findings.add(`a recovery left ${is} in word ${word}, a router that did not crash would have left ${twin}`);
        }
      }
    }
    return findings.result(`${recoveries} recoveries`);
  },
};
