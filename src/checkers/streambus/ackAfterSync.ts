import { Findings } from '../findings.ts';
import { readLog, sentOf } from '../log/operations.ts';
import { valueText } from '../log/valueText.ts';
import type { StreamBusCheck } from './check.ts';
import { logOperations } from './logAnomalies.ts';

/** An acknowledged record was on the media of a majority before the client had the answer. */
export const ackAfterSync: StreamBusCheck = {
  name: 'ack-after-sync',
  claim: 'a record is on the media of a majority of its configuration before it is acknowledged',
  run(evidence) {
    const findings = new Findings('ack-after-sync');
    let looked = 0;
    let unknown = 0;
    for (const one of readLog(logOperations(evidence))) {
      const { operation } = one;
      if (operation.outcome !== 'ok') continue;
      for (const { key, value, offset } of sentOf(one)) {
        if (offset === undefined) continue;
        const durable = evidence.durableAt(key, offset);
        if (durable === 'unknown') {
          unknown++;
          continue;
        }
        looked++;
        if (durable !== undefined && durable <= operation.completedAt) continue;
        findings.add(
          `value ${valueText(value)} at offset ${offset} of ${key} was acknowledged at ${operation.completedAt} ms, and ${
            durable === undefined ? 'never on the media of a majority' : `on the media of a majority at ${durable} ms`
          }`,
          { atMs: operation.completedAt, operations: [operation.id] },
        );
      }
    }
    return findings.result(
      `${looked} acknowledged records${unknown === 0 ? '' : `; of ${unknown} the entry is not known`}`,
    );
  },
};
