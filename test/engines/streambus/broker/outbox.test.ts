import { expect, test } from 'vitest';
import { draftMessage } from '../../../../src/consensus/message.ts';
import { Outbox, RaftFrame } from '../../../../src/engines/streambus/broker/outbox.ts';
import { raftIdOf } from '../../../../src/engines/streambus/ids.ts';
import type { Telemetry } from '../../../../src/host/telemetry.ts';
import { ByteReader } from '../../../../src/wire/rpc/bytes.ts';

const own = raftIdOf(1, 1);
const other = raftIdOf(2, 1);

/** Kinds of frames in order, and each end of the journal that is told. */
function framesOf(sent: readonly Uint8Array[]): (number | { end: number })[] {
  return sent.flatMap((bytes) => {
    const found: (number | { end: number })[] = [];
    const reader = new ByteReader(bytes);
    while (reader.left > 0) {
      const payload = reader.u32() - 1;
      const kind = reader.u8();
      const body = reader.raw(payload);
      found.push(kind === RaftFrame.journalEnd ? { end: new ByteReader(body).u48() } : kind);
    }
    return found;
  });
}

test('how far the journal is durable is told before messages, and with the heartbeats of groups that have nothing else to say', () => {
  const sent: Uint8Array[] = [];
  let end = 2 ** 33 + 5;
  const outbox = new Outbox({
    // It asks for planted delays alone.
    telemetry: { buggify: () => false } as unknown as Telemetry,
    peerOf: () => ({
      peer: { cluster: 'c', broker: 2, incarnation: 1, startCount: 1 },
      queuedBytes: 0,
      send: (frames) => sent.push(frames) > 0,
    }),
    onFenced: () => undefined,
    journalEnd: () => end,
  });
  outbox.add(3, 1, draftMessage('MsgAppResp', other, own, 2));
  end += 1;
  outbox.flush();
  expect(framesOf(sent.splice(0))).toEqual([{ end }, RaftFrame.messages]);
  end += 1;
  outbox.add(3, 1, draftMessage('MsgHeartbeat', other, own, 2));
  outbox.add(4, 1, draftMessage('MsgHeartbeat', other, own, 2));
  outbox.flush();
  // In one piece: heartbeats are most of what idle groups cost.
  expect(sent).toHaveLength(1);
  expect(framesOf(sent.splice(0))).toEqual([{ end }, RaftFrame.heartbeats]);
  outbox.flush();
  expect(sent).toEqual([]);
});
