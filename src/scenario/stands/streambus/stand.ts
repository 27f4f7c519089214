import type { Operation } from '../../../checkers/history.ts';
import { readLog, sentOf } from '../../../checkers/log/operations.ts';
import { streamBusChecks } from '../../../checkers/streambus/index.ts';
import { logOperations } from '../../../checkers/streambus/logAnomalies.ts';
import { streamBusErrorCodes } from '../../../engines/streambus/errors.ts';
import type { Stand } from '../stand.ts';
import { httpPort, nodeName } from './configuration.ts';
import { streamBusDevicesSchema } from './devices.ts';
import { type StreamBusLoad, streamBusLoadSchema } from './loadSchema.ts';
import { openSession } from './session.ts';
import { verbNames } from './verbs.ts';
import { watchedStreamBus } from './watchedEngine.ts';

/**
 * The stand of streambus: a cluster of brokers with a disk each, and clients that send, read, commit and transact through Kafka's
 * protocol.
 */
export const streamBusStand: Stand = {
  engine: watchedStreamBus,
  alertsFile: 'alerts/streambus.yaml',
  unit: 'streambus-broker',
  errorCodes: streamBusErrorCodes,
  port: httpPort,
  defaultNodes: 3,
  nodeName,
  devicesSchema: streamBusDevicesSchema,
  loadSchema: streamBusLoadSchema,
  clients: (load) => (load as StreamBusLoad).clients, // parsed by `streamBusLoadSchema`
  checks: streamBusChecks.map((check) => check.name),
  verbs: verbNames,
  partsWritten,
  open: openSession,
};

/** Partitions to which an operation sent records. */
function partsWritten(operation: Operation): string[] {
  return readLog(logOperations({ operations: [operation] }))
    .flatMap(sentOf)
    .map(({ key }) => key);
}
