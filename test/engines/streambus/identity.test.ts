import { expect, it } from 'vitest';
import { lockDataDirectory, readIdentity, writeIdentity } from '../../../src/engines/streambus/identity.ts';
import type { Host } from '../../../src/host/host.ts';
import { createRealDisk } from '../../../src/real/disk.ts';
import { journalWorld } from '../../support/journalWorld.ts';

const directory = '/data';
const storage = '11111111-1111-4111-8111-111111111111';
const identity = { clusterId: 'c', broker: 1, storage, incarnation: 1, startCount: 1, servedStart: 1 };

it('should take starts that are cut off between the two copies, however many in a row, for the same disk', async () => {
  const { run, machine } = journalWorld({ seed: 5 });
  await run((host) => writeIdentity(host, directory, identity));
  const device = machine.devices.device('root');
  for (const startCount of [2, 3, 4]) {
    await run(async (host) => {
      const rule = device.rules.add({ kind: 'no-space', operation: 'write', path: '/data/identity.json*' });
      await expect(writeIdentity(host, directory, { ...identity, startCount })).rejects.toThrow(/ENOSPC/);
      device.rules.remove(rule.id);
    });
    const verdict = await run((host) => readIdentity(host, directory, 1, 'c'));
    expect(verdict).toEqual({ kind: 'same', identity: { ...identity, startCount } });
  }
});

it('should see a copy that is more than one start behind', async () => {
  const { run } = journalWorld({ seed: 5 });
  await run((host) => writeIdentity(host, directory, identity));
  const old = await run(async (host) => {
    const file = await host.disk.open('/data/identity.json', { mode: 'read' });
    const bytes = new Uint8Array(await file.size());
    await file.read(0, bytes);
    await file.close();
    return bytes;
  });
  await run((host) => writeIdentity(host, directory, { ...identity, startCount: 3 }));
  await run(async (host) => {
    const file = await host.disk.open('/data/identity.json', { mode: 'write' });
    await file.truncate(0);
    await file.write(0, [old], { durable: true });
    await file.close();
  });
  const verdict = await run((host) => readIdentity(host, directory, 1, 'c'));
  expect(verdict).toMatchObject({
    kind: 'needs-incarnation',
    why: expect.stringMatching(/counted 3 starts, the directory 1/),
  });
});

it.each([
  ['/data/identity.json', 'identity.json cannot be read, raft-state has one'],
  ['/data/raft-state/identity.json', 'raft-state/identity.json cannot be read: what this broker'],
])('should say that %s cannot be read, not that it is missing', async (path, why) => {
  const { run } = journalWorld({ seed: 5 });
  await run((host) => writeIdentity(host, directory, identity));
  await run(async (host) => {
    const file = await host.disk.open(path, { mode: 'write' });
    await file.truncate(0);
    await file.write(0, [new TextEncoder().encode('{bad\n')], { durable: true });
    await file.close();
  });
  const verdict = await run((host) => readIdentity(host, directory, 1, 'c'));
  expect(verdict).toMatchObject({ kind: 'needs-incarnation', why: expect.stringContaining(why) });
});

it.each([
  ['/proc/nope/x', 'no directory can be made there'],
  ['/dev/null/x', 'a part of the path is no directory'],
])('should refuse %s at once, and say why', async (path, why) => {
  // Of the host it asks the disk alone.
  const host = { disk: createRealDisk() } as unknown as Host;
  await expect(lockDataDirectory(host, path)).rejects.toMatchObject({
    code: 'DATA_DIR_NOT_WRITABLE',
    exitCode: 77,
    message: expect.stringContaining(why),
  });
});
