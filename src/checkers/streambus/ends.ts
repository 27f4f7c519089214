import { Findings } from '../findings.ts';
import type { StreamBusCheck } from './check.ts';
import type { EndsSeen, FetchSeen } from './evidence.ts';

const fields = ['start', 'highWatermark', 'lastStable'] as const;
const names = {
  start: 'the start',
  highWatermark: 'the high watermark',
  lastStable: 'the last stable offset',
} as const;

/** Start, high watermark and last stable offset of a partition never step back for a client. */
export const highWatermarkMonotonic: StreamBusCheck = {
  name: 'hw-monotonic',
  claim: 'start, high watermark and last stable offset never step back for a client, nor overtake each other',
  run(evidence) {
    const findings = new Findings('hw-monotonic');
    const last = new Map<string, EndsSeen>();
    for (const seen of evidence.ends) {
      const { key, client, atMs, start, highWatermark, lastStable } = seen;
      for (const field of fields) {
        const value = seen[field];
        if (value === undefined) continue;
        const at = `${client} ${key} ${field}`;
        const before = last.get(at);
        last.set(at, seen);
        const was = before?.[field];
        if (before === undefined || was === undefined || was <= value) continue;
        findings.add(`${client} was told that ${names[field]} of ${key} is ${was}, then ${value}`, {
          atMs,
          fromMs: before.atMs,
        });
      }
      if (highWatermark !== undefined && lastStable !== undefined && lastStable > highWatermark) {
        findings.add(`${client} was told of ${key} a last stable offset of ${lastStable} beyond ${highWatermark}`, {
          atMs,
        });
      }
      if (highWatermark !== undefined && start !== undefined && start > highWatermark) {
        findings.add(`${client} was told that ${key} begins at ${start}, beyond its end ${highWatermark}`, { atMs });
      }
    }
    return findings.result(`${evidence.ends.length} answers`);
  },
};

/** What is there to be read is given: of two answers in a row that tell of more, the second one has something. */
export const fetchGives: StreamBusCheck = {
  name: 'fetch-gives',
  claim: 'a fetch below the last stable offset gives at least one batch',
  run(evidence) {
    const findings = new Findings('fetch-gives');
    const last = new Map<string, FetchSeen>();
    for (const seen of evidence.fetches) {
      const at = `${seen.client} ${seen.key}`;
      const before = last.get(at);
      last.set(at, seen);
      if (seen.answerBytes > 0 || before === undefined || before.answerBytes > 0) continue;
      if (before.offset !== seen.offset || before.stable <= seen.offset) continue;
      findings.add(
        `${seen.client} asked twice for ${seen.key} from ${seen.offset}, was told that it is stable up to ${before.stable}, and got nothing without an error`,
        { atMs: seen.atMs, fromMs: before.atMs },
      );
    }
    return findings.result(`${evidence.fetches.length} answers`);
  },
};
