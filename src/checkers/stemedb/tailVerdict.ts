import { Findings, type StemeCheck } from './check.ts';
import type { Life, StemeEvidence } from './evidence.ts';
import { faultActive, isBelowIndex, isDamagedMeanwhile, lastLsn, provenLsn } from './facts.ts';

/** Exit code of a start that refused damaged data (EX_DATAERR). */
const refusedExitCode = 65;

/** Faults under which the process may see another disk than the stand did. */
const readFaults = ['disk.read-error', 'disk.misdirected-read', 'disk.sector-error', 'disk.gone'];

/** Faults whose healing brings back what the media should hold. */
const healedFaults = ['disk.lost-write', 'disk.misdirected-write', 'disk.bit-rot'];

/** C9: damage at or below the floor is refused; an unacknowledged torn tail never is. */
export const tailVerdict: StemeCheck = {
  name: 'tail-verdict',
  number: 'C9',
  claim: 'damage at or below the floor => refused; unacknowledged torn tail => never refused',
  run(evidence) {
    const findings = new Findings('C9 tail-verdict');
    let refusals = 0;
    let torn = 0;
    for (const life of evidence.lives) {
      const { found } = life;
      const valid = lastLsn(found);
      const proven = provenLsn(life);
      const lossAccepted = evidence.acceptedLoss.length > 0;
      // What a lost write should have put there is there once the fault heals: then nothing proven may be missing.
      const isWhole = life.recovered !== undefined && lastLsn(life.recovered) >= proven;
      const healedMeanwhile = evidence.faults.some(
        ({ name, endMs }) =>
          (readFaults.includes(name) || (isWhole && healedFaults.includes(name))) &&
          endMs > life.startedAtMs &&
          endMs <= life.servedAtMs,
      );
      if (life.recovered !== undefined && proven > valid && !lossAccepted && !healedMeanwhile && !isBelowIndex(life)) {
        findings.add(
          `incarnation ${life.incarnation} started on a log that ends at LSN ${valid} although intact bytes prove LSN ${proven} acknowledged` +
            ` (witness: ${found.witness}, index: ${life.indexedLsn})`,
          { atMs: life.servedAtMs, fromMs: lastEndBefore(evidence, life), evidence: found.invalid },
        );
      }
      if (life.recovered !== undefined && found.invalid !== undefined) torn++;
      if (life.exit?.code !== refusedExitCode || life.recovered !== undefined) continue;
      refusals++;
      // Damage may come while a slow disk keeps the start waiting: what it refuses is the log as it then is.
      const isExcused =
        faultActive(evidence, readFaults, life.startedAtMs, life.endedAtMs) || isDamagedMeanwhile(evidence, life);
      if (proven <= valid && !isExcused && life.exit.name === 'WalCorruption') {
        findings.add(
          `incarnation ${life.incarnation} refused to start (${life.exit.message}), but nothing proves more than the intact LSN 1..${valid}`,
          { atMs: life.endedAtMs, fromMs: life.startedAtMs, evidence: { floor: proven, invalid: found.invalid } },
        );
      }
    }
    return findings.result(`${evidence.lives.length} starts, ${refusals} refused, ${torn} with a torn tail dropped`);
  },
};

/** When the process before this one ended: until then what was acknowledged could be read. 0 for the first. */
function lastEndBefore(evidence: StemeEvidence, life: Life): number {
  const before = evidence.lives.filter((other) => other.endedOrder < life.startedOrder);
  return before.at(-1)?.endedAtMs ?? 0;
}
