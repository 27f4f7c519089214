import { stemeChecks } from '../../../checkers/stemedb/index.ts';
import { stemedb } from '../../../engines/stemedb/engine.ts';
import { stemeErrorCodes } from '../../../engines/stemedb/errors.ts';
import type { Stand } from '../stand.ts';
import { competitorUnits } from './competitors.ts';
import { stemeDevicesSchema } from './devices.ts';
import { type StemeLoad, stemeLoadSchema } from './loadSchema.ts';
import { openSession } from './session.ts';
import { verbNames } from './verbs.ts';
import { watchedEngine } from './watchedEngine.ts';

/**
 * The stand of stemedb: independent nodes, each with a disk for the log and one for the store, and with clients of its own that
 * assert, vote and query.
 */
export const stemedbStand: Stand = {
  engine: watchedEngine(stemedb),
  alertsFile: 'alerts/stemedb.yaml',
  unit: 'stemedb-api',
  units: competitorUnits,
  errorCodes: stemeErrorCodes,
  port: 18_180,
  defaultNodes: 1,
  nodeName: (number) => `stemedb-${number}`,
  devicesSchema: stemeDevicesSchema,
  loadSchema: stemeLoadSchema,
  clients: (load) => (load as StemeLoad).clients, // parsed by `stemeLoadSchema`
  checks: stemeChecks.map((check) => check.name),
  verbs: verbNames,
  open: openSession,
};
