import { indexBusChecks } from '../../../checkers/indexbus/index.ts';
import { busErrorStatus } from '../../../engines/indexbus/errors.ts';
import type { Stand } from '../stand.ts';
import { httpPort, nodeName, participantNames } from './configuration.ts';
import { indexBusDevicesSchema } from './devices.ts';
import { indexBusLoadSchema } from './loadSchema.ts';
import { openSession } from './session.ts';
import { verbNames } from './verbs.ts';
import { watchedIndexBus } from './watchedEngine.ts';

/**
 * The stand of indexbus: machines with a router each (or a control plane, or a standby beside another), and producers and consumers in
 * containers on them, which share memory.
 */
export const indexBusStand: Stand = {
  engine: watchedIndexBus,
  alertsFile: 'alerts/indexbus.yaml',
  unit: 'indexbus-router',
  errorCodes: Object.keys(busErrorStatus),
  port: httpPort,
  defaultNodes: 1,
  nodeName,
  participants: participantNames,
  devicesSchema: indexBusDevicesSchema,
  loadSchema: indexBusLoadSchema,
  clients: () => 0,
  checks: indexBusChecks.map((check) => check.name),
  verbs: verbNames,
  open: openSession,
};
