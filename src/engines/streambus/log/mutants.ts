import type { Telemetry } from '../../../host/telemetry.ts';

/** Bugs of the log that can be planted, read once a partition: asking is not free on the hot path. */
export interface LogMutants {
  readonly rollByLocalClock: boolean;
  readonly clockRead: boolean;
  readonly hwAtAppend: boolean;
  readonly window1: boolean;
  readonly tailIgnored: boolean;
  readonly pidMinus1Checked: boolean;
  readonly repeatAnsweredEarly: boolean;
  readonly error6AfterAppend: boolean;
  readonly fetchSkipsMissing: boolean;
  readonly fetchErrorEmpty: boolean;
  readonly truncateAtBadCrc: boolean;
  readonly lsoIgnoresOpen: boolean;
  readonly abortedLost: boolean;
  readonly trimLocal: boolean;
  readonly checkpointBeforeSync: boolean;
}

export function readMutants(telemetry: Telemetry): LogMutants {
  return {
    rollByLocalClock: telemetry.mutant('roll-by-local-clock'),
    clockRead: telemetry.mutant('clock-read'),
    hwAtAppend: telemetry.mutant('hw-at-append'),
    window1: telemetry.mutant('window-1'),
    tailIgnored: telemetry.mutant('tail-ignored'),
    pidMinus1Checked: telemetry.mutant('pid-minus-1-checked'),
    repeatAnsweredEarly: telemetry.mutant('repeat-answered-early'),
    error6AfterAppend: telemetry.mutant('error-6-after-append'),
    fetchSkipsMissing: telemetry.mutant('fetch-skips-missing'),
    fetchErrorEmpty: telemetry.mutant('fetch-error-empty'),
    truncateAtBadCrc: telemetry.mutant('truncate-at-bad-crc'),
    lsoIgnoresOpen: telemetry.mutant('lso-ignores-open'),
    abortedLost: telemetry.mutant('aborted-lost'),
    trimLocal: telemetry.mutant('trim-local'),
    checkpointBeforeSync: telemetry.mutant('checkpoint-before-sync'),
  };
}
