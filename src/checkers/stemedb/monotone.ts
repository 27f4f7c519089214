import { Findings, type StemeCheck } from './check.ts';
import { operationsAbout } from './clients.ts';
import type { Life } from './evidence.ts';
import { batchWrites, lookedAtBefore, mediaDamagedBefore, recoveredImages, wholeBefore } from './facts.ts';

/** C12: durable and witness LSN and the wall time of batches never fall, also across restarts. */
export const monotone: StemeCheck = {
  name: 'monotone',
  number: 'C12',
  claim: 'durable and witness LSN and wallMs never fall, also across restarts',
  run(evidence) {
    const findings = new Findings('C12 monotone');
    let durable = 0;
    let wall = 0;
    let lastBeganAtMs = 0;
    const writes = batchWrites(evidence);
    let life: Life | undefined;
    for (const call of writes) {
      if (call.incarnation !== life?.incarnation) {
        life = evidence.lives.find(({ incarnation }) => incarnation === call.incarnation);
        // What damage of the only copy has taken is dated nowhere any more: a start goes on from what it found.
        if (life !== undefined && mediaDamagedBefore(evidence, life.startedAtMs)) {
          wall = Math.min(wall, life.found.walls.at(-1) ?? 0);
        }
      }
      for (const batch of call.batches ?? []) {
        // Damage of the only copy may take the top of the log away; C1 and C9 judge whether that was seen.
        if (
          batch.durableLsn < durable &&
          evidence.acceptedLoss.length === 0 &&
          !mediaDamagedBefore(evidence, call.beganAtMs)
        ) {
          findings.add(`a batch claims durable LSN ${batch.durableLsn}, an earlier one had ${durable}`, {
            atMs: call.beganAtMs,
            fromMs: lastBeganAtMs,
            operations: operationsAbout(evidence, batch.ids),
          });
        }
        // A write that failed or never ended may not be there after the restart: its wall time binds nobody.
        if (call.error === undefined && call.endedOrder !== Number.POSITIVE_INFINITY) {
          if (batch.wallMs < wall) {
            findings.add(
              `a batch at LSN ${batch.firstLsn} is dated ${batch.wallMs}, ${wall - batch.wallMs} ms before its predecessor`,
              {
                atMs: call.beganAtMs,
                fromMs: lastBeganAtMs,
                operations: operationsAbout(evidence, batch.ids),
              },
            );
          }
          wall = Math.max(wall, batch.wallMs);
        }
        durable = Math.max(durable, batch.durableLsn);
      }
      lastBeganAtMs = call.beganAtMs;
    }
    for (const { life, image } of recoveredImages(evidence)) {
      image.walls.forEach((value, index) => {
        const before = image.walls[index - 1];
        if (before !== undefined && value < before) {
          findings.add(`incarnation ${life.incarnation}: batch ${index} of the log is dated before its predecessor`, {
            atMs: image.atMs,
            fromMs: wholeBefore(evidence, life),
          });
        }
      });
    }
    checkGauges();
    return findings.result(`${writes.length} batch writes, ${evidence.samples.length} samples of the watermarks`);

    function checkGauges(): void {
      const highest = new Map<string, number>();
      for (const sample of evidence.samples) {
        for (const name of ['durableLsn', 'witnessLsn'] as const) {
          const value = sample[name];
          // Before the recovery has ended the gauge has no value yet.
          if (value === undefined || value === 0) continue;
          const key = `${sample.node} ${name}`;
          const before = highest.get(key) ?? 0;
          if (value < before && !mediaDamagedBefore(evidence, sample.atMs)) {
            findings.add(`${name} of ${sample.node} fell from ${before} to ${value}`, {
              atMs: sample.atMs,
              fromMs: lookedAtBefore(evidence, sample),
            });
          }
          highest.set(key, Math.max(before, value));
        }
      }
    }
  },
};
