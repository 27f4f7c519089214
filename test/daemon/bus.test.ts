import { expect, test } from 'vitest';
import { BusError, openBus } from '../../src/daemon/bus.ts';

test('a program attaches without a host of its own, and is told that there is no such segment', async () => {
  const failed = await openBus({ segment: 'nobodys', attachTimeoutMs: 20 }).catch((error: unknown) => error);
  expect(failed).toBeInstanceOf(BusError);
  expect(failed).toMatchObject({ code: 'IB_NO_SEGMENT' });
});

test('a program that says no segment is told so, before anything is opened for it', async () => {
  for (const options of [undefined, 'bus', {}]) {
    // As a program does that no compiler has looked at.
    const failed = await openBus(options as never).catch((error: unknown) => error);
    expect(failed).toMatchObject({ name: 'BusError', code: 'IB_BAD_CONFIG' });
  }
});
