import { type CheckOutcome, Findings } from '../findings.ts';
import type { IndexBusCheck } from './check.ts';
import type { BusEvent } from './events.ts';

type What = (BusEvent & { event: 'waited' })['what'];

function waits(name: string, what: What, unit: string, events: readonly BusEvent[], stuck: boolean): CheckOutcome {
  const findings = new Findings(name);
  let count = 0;
  let longest = 0;
  for (const event of events) {
    if (stuck && event.event === 'stuck') findings.add(`there is work and nobody goes on: ${event.who}`);
    if (event.event !== 'waited' || event.what !== what) continue;
    count += 1;
    longest = Math.max(longest, event.took);
    if (event.took > event.bound)
      findings.add(`${event.who} waited ${event.took} ${unit}, at most ${event.bound} are allowed`);
  }
  return findings.result(`${count} waits, the longest ${longest} ${unit}`);
}

/** L1 to L4: who has work goes on in bounded time. */
export const progress: readonly IndexBusCheck[] = [
  {
    name: 'L1',
    claim: 'work and a receiving consumer: recv grows within 2 × poll interval + 1 ms',
    run: (events) => waits('L1', 'receive', 'ms', events, true),
  },
  {
    name: 'L2',
    claim: 'after any kill the others go on within liveness_check_ms + 10 ms; the standby router within 10 ms',
    run: (events) => waits('L2', 'others-after-kill', 'ms', events, false),
  },
  {
    name: 'L3',
    claim: 'a stalled blocking lane delays its sources ≤ detach_after_ms + one poll; a non-blocking lane delays nobody',
    run: (events) => waits('L3', 'source-behind-stalled-lane', 'ms', events, false),
  },
  {
    name: 'L4',
    claim: 'a non-empty source is visited within producers × router_batch_size messages',
    run: (events) => waits('L4', 'visit', 'messages', events, false),
  },
];
