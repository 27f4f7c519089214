import { Findings } from '../findings.ts';
import type { IndexBusCheck } from './check.ts';
import type { SlotPlaces } from './events.ts';

/** P1: no slot is lost, and none is in two places. */
export const slotsAreKept: IndexBusCheck = {
  name: 'P1',
  claim: 'each slot is at home, reserved, in its source, in lanes or returning, never two; drained: all home',
  run(events) {
    const findings = new Findings('P1');
    let looks = 0;
    for (const event of events) {
      if (event.event === 'written-over')
        findings.add(`${event.entries} entries of lane ${event.lane} were written over before they were out of it`);
      if (event.event === 'damage-found') findings.add(`${event.what}, and nothing had damaged it`);
      if (event.event !== 'slots') continue;
      for (const places of event.places) {
        looks += 1;
        placesOf(findings, places, event.quiet);
      }
    }
    return findings.result(`${looks} pools`);
  },
};

function placesOf(findings: Findings, places: SlotPlaces, quiet: boolean): void {
  const found = new Map<number, string>();
  const kinds = ['home', 'reserved', 'source', 'lanes', 'returning'] as const;
  for (const kind of kinds) {
    for (const slot of places[kind]) {
      const before = found.get(slot);
      if (before !== undefined)
        findings.add(`slot ${slot} of producer ${places.producer} is in two places: ${before} and ${kind}`);
      if (slot < 0 || slot >= places.slots)
        findings.add(`producer ${places.producer} has ${places.slots} slots; ${kind} tells of ${slot}`);
      found.set(slot, kind);
    }
  }
  if (found.size !== places.slots) {
    findings.add(`of ${places.slots} slots of producer ${places.producer} ${found.size} are somewhere`, {
      evidence: places,
    });
  }
  const away = places.source.length + places.lanes.length + places.reserved.length;
  if (quiet && away > 0)
    findings.add(`${away} slots of producer ${places.producer} are not home although nothing is under way`);
}

/** C1: limits hold at every commit. */
export const limitsHold: IndexBusCheck = {
  name: 'C1',
  claim:
    'depth ≤ credit_limit and ≤ capacity at every commit; non-blocking lanes leave ≥ 2 × batch slots of every producer',
  run(events) {
    const findings = new Findings('C1');
    let commits = 0;
    for (const event of events) {
      if (event.event !== 'committed') continue;
      commits += 1;
      for (const { lane, depth, capacity, creditLimit } of event.lanes) {
        if (depth > capacity) findings.add(`lane ${lane} has ${depth} messages, its capacity is ${capacity}`);
        if (creditLimit > 0 && depth > creditLimit)
          findings.add(`lane ${lane} has ${depth} messages, its credit limit is ${creditLimit}`);
      }
      for (const { producer, slots, atLeast } of event.spare) {
        if (slots < atLeast)
          findings.add(
            `lanes without blocking leave ${slots} slots of producer ${producer}, at least ${atLeast} are to be left`,
          );
      }
    }
    return findings.result(`${commits} commits`);
  },
};
