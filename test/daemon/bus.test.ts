import { expect, test } from 'vitest';
import { BusError, openBus } from '../../src/daemon/bus.ts';

test('a program attaches without a host of its own, and is told that there is no such segment', async () => {
  const failed = await openBus({ segment: 'nobodys', attachTimeoutMs: 20 }).catch((error: unknown) => error);
  expect(failed).toBeInstanceOf(BusError);
  expect(failed).toMatchObject({ code: 'IB_NO_SEGMENT' });
});
