import { Findings, type StemeCheck } from './check.ts';
import { lookedAtBefore, settingsByIncarnation } from './facts.ts';

/** C17: pending and index bytes stay within their limits in every sample. */
export const bounds: StemeCheck = {
  name: 'bounds',
  number: 'C17',
  claim: 'pending and index bytes within their limits at every step',
  run(evidence) {
    const findings = new Findings('C17 bounds');
    const settingsOf = settingsByIncarnation(evidence);
    let looked = 0;
    for (const sample of evidence.samples) {
      const { maxPendingBytes, indexMaxBytes } = settingsOf(sample.incarnation);
      const limits = [
        ['pendingBytes', maxPendingBytes],
        ['indexBytes', indexMaxBytes],
      ] as const;
      for (const [name, limit] of limits) {
        const value = sample[name];
        if (value === undefined) continue;
        looked++;
        if (value > limit)
          findings.add(`${name} was ${value}, its limit is ${limit}`, {
            atMs: sample.atMs,
            fromMs: lookedAtBefore(evidence, sample),
          });
      }
    }
    return findings.result(`${looked} readings of gauges`);
  },
};
