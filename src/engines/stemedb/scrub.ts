import type { Span } from '@opentelemetry/api';
import type { Host } from '../../host/host.ts';
import { inSpan } from '../../host/tracing.ts';
import { type Journal, scrubSegment } from '../../storage/journal/index.ts';
import type { Background } from './background.ts';
import type { KnownDamage } from './knownDamage.ts';
import type { StemeMetrics } from './metrics.ts';

/** What reading the log again has found. */
export interface ScrubReport {
  /** Sealed segments that were read; the one that is written to is checked at the next start. */
  readonly segments: number;
  readonly bytes: number;
  readonly records: number;
  readonly damaged: readonly {
    readonly file: string;
    readonly offset: number;
    readonly lsn: number;
    readonly why: string;
  }[];
}

export interface ScrubOptions {
  readonly host: Host;
  readonly journal: Journal;
  /** Directory of the log. */
  readonly directory: string;
  readonly background: Background;
  readonly metrics: StemeMetrics;
  readonly known: KnownDamage;
}

/**
 * Reads every sealed segment of the log from the disk, past all caches, and checks it byte by byte, within the budget of
 * background work. Damage is counted, logged and reported; nothing is changed, and reads of other records go on.
 *
 * @throws DiskError if a file cannot be read at all
 */
export function scrubLog(options: ScrubOptions): Promise<ScrubReport> {
  return inSpan(options.host.telemetry.tracer, 'scrub', undefined, (_, span) => scrubSegments(options, span));
}

async function scrubSegments(
  { host, journal, directory, background, metrics, known }: ScrubOptions,
  span: Span,
): Promise<ScrubReport> {
  const damaged: { file: string; offset: number; lsn: number; why: string }[] = [];
  let segments = 0;
  let bytes = 0;
  let records = 0;
  for (const { file, bytes: length, sealed } of journal.segments()) {
    if (!sealed) continue;
    if (!(await background.mayGoOn('scrub'))) break;
    await background.spend('scrub', length);
    const found = await scrubSegment(host, `${directory}/${file}`);
    segments++;
    bytes += found.bytes;
    records += found.records;
    if (found.damage === undefined) {
      known.isWhole(file);
      continue;
    }
    const { offset, from, why } = found.damage;
    damaged.push({ file, offset, lsn: from, why });
    known.found(file, `at offset ${offset}, from record ${from}: ${why}`);
    metrics.corruptions.inc({ where: 'segment' });
    host.telemetry.logger.error('scrub found damage', { segment: file, offset, lsn: from, why });
  }
  span.setAttributes({ 'scrub.segments': segments, 'scrub.bytes': bytes, 'scrub.damaged': damaged.length });
  return { segments, bytes, records, damaged };
}
