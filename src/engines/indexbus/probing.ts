import type { Telemetry } from '../../host/telemetry.ts';
import type { RouterCommand } from './commands.ts';
import type { SeatFinding, SeatProber } from './liveness.ts';
import type { RouterRunner } from './routerRunner.ts';
import type { Segment } from './segment.ts';

/** A segment whose seats are looked at: what is served, and the generation that a roll builds. */
export interface Probed {
  readonly segment: Segment;
  readonly runner: RouterRunner;
  readonly prober: SeatProber;
  /** What was last found of each seat that somebody holds, by its number among all. */
  findings: ReadonlyMap<number, SeatFinding>;
}

/** Looks at the holders of all seats, says who has gone, and tells the router. */
export function probeSeats(probed: Probed, telemetry: Telemetry): void {
  const { logger } = telemetry;
  const former = probed.findings;
  const found = probed.prober.probe();
  // Before the router is told: what it says of an end at once is logged with its proof.
  probed.findings = new Map(found.map((finding) => [finding.seat.index, finding]));
  for (const { seat, epoch, holder, state, judgement } of found) {
    const { verdict, proof } = judgement;
    if (verdict === 'alive') continue;
    const before = former.get(seat.index);
    if (before?.judgement.verdict !== verdict || before.epoch !== epoch) {
      logger.warn(`holder ${verdict}`, { kind: seat.kind, seat: seat.number, state, proof, ...holder });
    }
    const command: RouterCommand = {
      do: verdict === 'dead' ? 'peer-dead' : 'peer-doubtful',
      seat: seat.index,
      epoch,
    };
    // The router's end is told elsewhere.
    void probed.runner.apply(command).catch(() => undefined);
  }
}
