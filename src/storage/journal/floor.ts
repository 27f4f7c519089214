import type { Hole } from './scan.ts';
import type { Lsn, RecoveryReport } from './types.ts';

/** Something intact that proves every LSN up to `lsn` acknowledged. */
export interface Proof {
  readonly lsn: Lsn;
  /** `witness`, `successor segment-…`, `batch header in segment-… at 8192`, `vault` … */
  readonly source: string;
}

/** A stretch of the log without intact bytes. */
export interface Gap {
  /** File that is damaged or missing. */
  readonly segment: string;
  readonly offset: number;
  readonly from: Lsn;
  /** LSN before the next intact record; undefined at the end of the log. */
  readonly to: Lsn | undefined;
  readonly why: string;
}

/** A gap that acknowledged records are in. */
export interface Missing {
  readonly segment: string;
  readonly offset: number;
  readonly from: Lsn;
  readonly to: Lsn;
  /** Everything that proves the floor: `witness`, or `index and witness`. */
  readonly proof: string;
  readonly why: string;
}

/**
 * Judges gaps by the proofs: what lies at or below the floor was acknowledged and is missing, what lies above never was.
 * A batch proves that the one before it was acknowledged, since only one write is in flight.
 */
export function judge(gaps: readonly Gap[], proofs: readonly Proof[]): { floor: Lsn; missing: Missing[] } {
  const floor = proofs.reduce((highest, proof) => Math.max(highest, proof.lsn), 0);
  const missing: Missing[] = [];
  for (const gap of gaps) {
    const to = Math.min(gap.to ?? floor, floor);
    if (to < gap.from) continue;
    const sources = new Set(proofs.filter(({ lsn }) => lsn === floor).map(({ source }) => source));
    missing.push({
      segment: gap.segment,
      offset: gap.offset,
      from: gap.from,
      to,
      proof: [...sources].join(' and '),
      why: gap.why,
    });
  }
  return { floor, missing };
}

/** The gap that a hole of a segment is. */
export function gapOf(segment: string, hole: Hole, endOfSegment: Lsn | undefined): Gap {
  return { segment, offset: hole.offset, from: hole.from, to: hole.to ?? endOfSegment, why: hole.why };
}

export function reportMissing(missing: readonly Missing[]): RecoveryReport['missing'] {
  return missing.map(({ from, to, proof }) => ({ from, to, proof }));
}
