import type { Telemetry } from '../../host/telemetry.ts';
import type { RouterCommand } from './commands.ts';
import type { SeatFinding } from './liveness.ts';
import type { Serving } from './serving.ts';

/** Looks at the holders of all seats, says who has gone, and tells the router. */
export function probeSeats(serving: Serving, telemetry: Telemetry): void {
  const { logger } = telemetry;
  const findings = new Map<number, SeatFinding>();
  for (const finding of serving.prober.probe()) {
    findings.set(finding.seat.index, finding);
    const { verdict, proof } = finding.judgement;
    if (verdict === 'alive') continue;
    const { seat, epoch, holder, state } = finding;
    const before = serving.findings.get(seat.index);
    if (before?.judgement.verdict !== verdict || before.epoch !== epoch) {
      logger.warn(`holder ${verdict}`, { kind: seat.kind, seat: seat.number, state, proof, ...holder });
    }
    const command: RouterCommand = {
      do: verdict === 'dead' ? 'peer-dead' : 'peer-doubtful',
      seat: seat.index,
      epoch,
    };
    // The router's end is told elsewhere.
    void serving.runner.apply(command).catch(() => undefined);
  }
  serving.findings = findings;
}
