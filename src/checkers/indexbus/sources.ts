import { Findings } from '../findings.ts';
import { ByMessage } from './byMessage.ts';
import type { IndexBusCheck } from './check.ts';
import { type BusEvent, nameOf } from './events.ts';
import { Senders } from './senders.ts';
import { Tally } from './tally.ts';

/** A1: nothing that a producer sent is lost on its way to the router, taken twice, or taken before it was sent; no roll leaves any of it behind. */
export const sentIsTaken: IndexBusCheck = {
  name: 'A1',
  claim:
    'per producer: accepted = written = sent = taken by the router + source depth; a refused publish appears nowhere else',
  run(events) {
    const findings = new Findings('A1');
    const published = new ByMessage<true>();
    const taken = new ByMessage<true>();
    const flushed = new Tally();
    const count = new Tally();
    const senders = new Senders(findings, flushed);
    for (const event of events) {
      senders.take(event);
      if (event.event === 'published') published.set(event, true);
      else if (event.event === 'flushed') flushed.add(event.producer, event.through - flushed.of(event.producer));
      else if (event.event === 'taken') {
        if (published.get(event) === undefined)
          findings.add(`message ${nameOf(event)} was taken, and no publish of it was accepted`);
        if (taken.get(event) !== undefined) findings.add(`message ${nameOf(event)} was taken twice`);
        if (event.sequence >= flushed.of(event.producer))
          findings.add(`message ${nameOf(event)} was taken before its flush`);
        if (event.sequence !== count.of(event.producer)) {
          findings.add(
            `producer ${event.producer}: message ${count.of(event.producer)} was to be taken, ${event.sequence} was`,
          );
        }
        taken.set(event, true);
        count.add(event.producer);
      } else if (event.event === 'told') sourcesTold(findings, event, flushed, count);
      else if (event.event === 'left-behind' && event.what === 'source') {
        findings.add(`a roll left ${event.messages} messages of producer ${event.who} in their source`);
      }
    }
    senders.end();
    return findings.result(`${taken.size} messages taken of ${published.size} published`);
  },
};

function sourcesTold(findings: Findings, told: BusEvent & { event: 'told' }, flushed: Tally, taken: Tally): void {
  for (const it of told.producers) {
    if (it.sent !== flushed.of(it.producer)) {
      findings.add(`producer ${it.producer} sent ${flushed.of(it.producer)}, the bus tells ${it.sent}`);
    }
    if (it.taken !== taken.of(it.producer)) {
      findings.add(`of producer ${it.producer} ${taken.of(it.producer)} were taken, the bus tells ${it.taken}`);
    }
  }
}

/** A2: what nobody wanted is counted as that, and nothing else is. */
export const takenIsRouted: IndexBusCheck = {
  name: 'A2',
  claim: 'taken = routed + drops_no_route',
  run(events) {
    const findings = new Findings('A2');
    const unwanted = new Tally();
    let looks = 0;
    for (const event of events) {
      if (event.event === 'taken' && event.lanes.length + event.groups.length === 0) unwanted.add(event.producer);
      if (event.event !== 'told') continue;
      looks += 1;
      for (const it of event.producers) {
        if (it.noRoute !== unwanted.of(it.producer)) {
          findings.add(
            `nobody wanted ${unwanted.of(it.producer)} messages of producer ${it.producer}, the bus tells ${it.noRoute}`,
          );
        }
      }
    }
    return findings.result(`${unwanted.sum} unwanted messages, ${looks} looks`);
  },
};
