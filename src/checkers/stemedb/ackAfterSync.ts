import { Findings, type StemeCheck } from './check.ts';
import { operationsOf } from './clients.ts';
import type { DiskCall, StemeEvidence } from './evidence.ts';
import { isLogFile, type ServerAck, serverAcks } from './facts.ts';

/** C6: every acknowledgement has a finished durable write of its bytes, in a file whose name is durable. */
export const ackAfterSync: StemeCheck = {
  name: 'ack-after-sync',
  number: 'C6',
  claim: 'every ack has a durable write begun after its bytes were complete, and a durable directory entry',
  run(evidence) {
    const findings = new Findings('C6 ack-after-sync');
    const writes = writesOf(evidence);
    const names = new Names(evidence);
    const acks = serverAcks(evidence).filter((ack) => ack.status === 'created');
    for (const ack of acks) {
      const problem = problemOf(ack, writes.get(`${ack.request.incarnation} ${ack.lsn}`) ?? [], names);
      if (problem !== undefined) {
        findings.add(`LSN ${ack.lsn} was acknowledged ${problem}`, {
          atMs: ack.request.answeredAtMs,
          fromMs: ack.request.arrivedAtMs,
          operations: operationsOf(evidence, ack.request),
        });
      }
    }
    return findings.result(`${acks.length} acknowledgements against ${evidence.disk.length} disk calls`);
  },
};

interface WriteOfRecord {
  readonly call: DiskCall;
  readonly id: string;
  /** When the bytes became durable: the end of the write, or of a later sync of the file; Infinity: never. */
  readonly durableOrder: number;
}

function writesOf(evidence: StemeEvidence): ReadonlyMap<string, readonly WriteOfRecord[]> {
  const syncs = evidence.disk.filter((call) => call.operation === 'sync' && call.error === undefined);
  const all = new Map<string, WriteOfRecord[]>();
  for (const call of evidence.disk) {
    if (call.operation !== 'write' || call.batches === undefined) continue;
    const durableOrder =
      call.durable === true ? (call.error === undefined ? call.endedOrder : Infinity) : laterSync(call);
    for (const batch of call.batches) {
      batch.ids.forEach((id, index) => {
        const key = `${call.incarnation} ${batch.firstLsn + index}`;
        const entry = { call, id, durableOrder };
        const list = all.get(key);
        if (list === undefined) all.set(key, [entry]);
        else list.push(entry);
      });
    }
  }
  return all;

  function laterSync(call: DiskCall): number {
    return (
      syncs.find(
        (sync) => sync.path === call.path && sync.incarnation === call.incarnation && sync.beganOrder > call.endedOrder,
      )?.endedOrder ?? Infinity
    );
  }
}

function problemOf(ack: ServerAck, writes: readonly WriteOfRecord[], names: Names): string | undefined {
  const mine = writes.filter((write) => write.id === ack.id);
  if (mine.length === 0) return 'but no write of its bytes was ever begun';
  const done = mine.filter((write) => write.durableOrder < ack.request.answeredOrder);
  const first = done[0];
  if (first === undefined) return `before its durable write to ${mine[0]?.call.path} had ended well`;
  const unsynced = names.unsynced(first.call, ack.request.answeredOrder);
  return unsynced === undefined ? undefined : `while ${unsynced} had not been made durable by a sync of its directory`;
}

/** When the name of a log file came to be, and when it became durable. */
class Names {
  readonly #events = new Map<string, { order: number; what: string }[]>();
  readonly #syncs: readonly DiskCall[];

  constructor(evidence: StemeEvidence) {
    for (const call of evidence.disk) {
      if (call.operation !== 'rename' || call.to === undefined || call.error !== undefined) continue;
      if (!isLogFile(call.to, evidence)) continue;
      const list = this.#events.get(call.to) ?? [];
      list.push({ order: call.endedOrder, what: `the rename of ${call.path} to ${call.to}` });
      this.#events.set(call.to, list);
    }
    this.#syncs = evidence.disk.filter((call) => call.operation === 'syncDirectory' && call.error === undefined);
  }
  /** The change of name of the call's file that no directory sync had made durable by then; undefined if all had been. */
  unsynced(call: DiskCall, byOrder: number): string | undefined {
    const event = (this.#events.get(call.path) ?? []).findLast(({ order }) => order < call.beganOrder);
    if (event === undefined) return undefined;
    const directory = call.path.slice(0, call.path.lastIndexOf('/'));
    const durable = this.#syncs.some(
      (sync) => sync.path === directory && sync.beganOrder > event.order && sync.endedOrder < byOrder,
    );
    return durable ? undefined : event.what;
  }
}
