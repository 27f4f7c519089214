import { describe, expect, it } from 'vitest';
import type { MessageRecord } from '../../../src/scenario/observations.ts';
import { concatenate, writeMessage } from '../../../src/scenario/wire/frames.ts';
import { createMessageTap } from '../../../src/scenario/wire/messageTap.ts';
import type { PipeTap } from '../../../src/sim/network/tap.ts';

/** A pipe under watch, with a clock that the test sets. */
function watched(): { pipe: PipeTap; messages: MessageRecord[]; at: (ms: number) => void } {
  let nowMs = 0;
  const messages: MessageRecord[] = [];
  const pipe = createMessageTap(
    () => nowMs,
    (message) => void messages.push(message),
  ).open('a', 'b');
  return {
    pipe,
    messages,
    at: (ms) => {
      nowMs = ms;
    },
  };
}

/** What a message is on the wire, write by write. */
async function writesOf(head: Parameters<typeof writeMessage>[1], bodyBytes: number): Promise<Uint8Array[]> {
  const writes: Uint8Array[] = [];
  const sink = { write: async (bytes: Uint8Array) => void writes.push(bytes.slice()) };
  // Of a connection, only this is used to send.
  await writeMessage(sink as unknown as Parameters<typeof writeMessage>[0], head, new Uint8Array(bodyBytes));
  return writes;
}

const request = { method: 'POST', path: '/v1/assert?x=1', headers: { 'content-type': 'application/json' } };

describe('the tap of messages', () => {
  it('should name a request by method and path and an answer by its status, and see when each arrived whole', async () => {
    const { pipe, messages, at } = watched();
    const bytes = concatenate([...(await writesOf(request, 10)), ...(await writesOf({ status: 201, headers: {} }, 0))]);
    at(1);
    pipe.sent(bytes);
    at(2);
    pipe.arrived(20);
    expect(messages.map(({ label, receivedMs }) => [label, receivedMs])).toEqual([
      ['POST /v1/assert', undefined],
      ['201', undefined],
    ]);
    at(3);
    pipe.arrived(bytes.length - 21);
    at(4);
    pipe.arrived(1);
    expect(messages.map(({ sentMs, receivedMs }) => [sentMs, receivedMs])).toEqual([
      [1, 3],
      [1, 4],
    ]);
    expect(messages.reduce((sum, message) => sum + message.bytes, 0)).toBe(bytes.length);
  });

  it('should see one message in a body of many writes, from the first byte sent to the last that arrived', async () => {
    const { pipe, messages, at } = watched();
    const writes = await writesOf(request, 200_000);
    expect(writes.length).toBeGreaterThan(4);
    for (const [index, bytes] of writes.entries()) {
      at(10 + index);
      pipe.sent(bytes);
      at(10.5 + index);
      pipe.arrived(bytes.length);
    }
    expect(messages).toEqual([
      {
        sentMs: 10,
        receivedMs: 9.5 + writes.length,
        from: 'a',
        to: 'b',
        bytes: writes.reduce((sum, bytes) => sum + bytes.length, 0),
        label: 'POST /v1/assert',
      },
    ]);
  });

  it('should give the same messages however the bytes are cut', async () => {
    const bytes = concatenate([...(await writesOf(request, 300)), ...(await writesOf(request, 0))]);
    const whole = watched();
    whole.pipe.sent(bytes);
    for (const size of [1, 3, 7, 100]) {
      const { pipe, messages } = watched();
      for (let from = 0; from < bytes.length; from += size) pipe.sent(bytes.subarray(from, from + size));
      expect(messages).toEqual(whole.messages);
    }
    expect(whole.messages).toHaveLength(2);
  });

  it('should leave a message that does not arrive to its end without an arrival', async () => {
    const { pipe, messages } = watched();
    const [bytes = new Uint8Array()] = await writesOf(request, 50);
    pipe.sent(bytes);
    pipe.arrived(bytes.length - 1);
    expect(messages).toHaveLength(1);
    expect(messages[0]).not.toHaveProperty('receivedMs');
  });

  it('should count a write as a message where something else is spoken, from the first one on', () => {
    const { pipe, messages, at } = watched();
    const text = new TextEncoder();
    pipe.sent(text.encode('PING\r\n'));
    at(1);
    pipe.sent(text.encode('PONG and more\r\n'));
    pipe.arrived(6);
    expect(messages).toEqual([
      { sentMs: 0, receivedMs: 1, from: 'a', to: 'b', bytes: 6, label: 'data' },
      { sentMs: 1, from: 'a', to: 'b', bytes: 15, label: 'data' },
    ]);
  });

  it('should leave ids out of labels, which would all be different', async () => {
    const { pipe, messages } = watched();
    const path = `/v1/assertions/${'ab'.repeat(32)}/votes`;
    for (const bytes of await writesOf({ method: 'GET', path, headers: {} }, 0)) pipe.sent(bytes);
    expect(messages[0]?.label).toBe('GET /v1/assertions/…/votes');
  });
});
