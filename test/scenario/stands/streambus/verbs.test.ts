import { expect, test } from 'vitest';
import type { Host } from '../../../../src/host/host.ts';
import type { VerbContext } from '../../../../src/scenario/stands/stand.ts';
import { streamBusDevicesSchema } from '../../../../src/scenario/stands/streambus/devices.ts';
import type { GroupFeed } from '../../../../src/scenario/stands/streambus/groupFeed.ts';
import { NodeRecord } from '../../../../src/scenario/stands/streambus/nodeRecord.ts';
import { createVerbs } from '../../../../src/scenario/stands/streambus/verbs.ts';
import type { Rule } from '../../../../src/sim/disk/rules.ts';
import { World } from '../../../../src/sim/world.ts';
import { makeDirectoryDurably } from '../../../../src/storage/atomicFile.ts';

const partition = '/var/lib/streambus/data/t0/partition-0';

/** What `rm` of a partition says, leaves, and has the checks forgotten, on a disk with a fault. */
async function removeWith(
  rule: Rule | undefined,
  meanwhile: (world: World) => void = () => undefined,
): Promise<{ said: string; left: string[]; forgotten: ReadonlySet<number> }> {
  const world = new World({ seed: 1 });
  const forgotten: number[] = [];
  let opened = (_member: number): void => undefined;
  // Nothing else of it is used.
  const feed = {
    stored: () => undefined,
    gone: () => undefined,
    logForgotten: (_member: number, group: number) => void forgotten.push(group),
    observer: (given: (member: number) => void) => {
      opened = given;
      return {};
    },
  } as unknown as GroupFeed;
  const devices = streamBusDevicesSchema.parse({});
  const record = new NodeRecord({ world, node: 'a', devices, document: {}, feed, groupOf: () => 1_024 });
  world.machines.get('a')?.start('broker', async (host: Host) => {
    record.decorate(host);
    opened(65_537);
    await makeDirectoryDurably(host.disk, partition);
    for (const name of ['0.seg', 'partition.json']) {
      const file = await host.disk.open(`${partition}/${name}`, { mode: 'create' });
      await file.write(0, [new Uint8Array(100)], { durable: true });
      await file.close();
    }
    await host.disk.syncDirectory(partition);
  });
  await world.run({ toMs: 1_000 });
  record.changed('crashed');
  if (rule !== undefined) record.disks.data.rules.add(rule);
  const { rm } = createVerbs({ world, recordOf: () => record, nodes: ['a'] });
  if (rm === undefined) throw new Error('the stand has no rm');
  let said = '';
  // `rm` looks at nothing of its context but the machine.
  const context = { node: 'a' } as VerbContext;
  rm(['-rf', partition], context).then(
    (output) => {
      said = output;
    },
    (error: unknown) => {
      said = String(error);
    },
  );
  meanwhile(world);
  await world.run({ toMs: 2_000 });
  return { said, left: [...record.disks.table.files().keys()], forgotten: new Set(forgotten) };
}

test('rm, which does not sync, should not fail of a sync that does', async () => {
  expect(await removeWith({ kind: 'sync-error', variant: 'keep', remaining: 1 })).toEqual({
    said: '',
    left: [],
    forgotten: new Set([1_024]),
  });
});

test('what rm has removed before it failed should be known to be gone', async () => {
  const { said, left, forgotten } = await removeWith({ kind: 'read-only', path: `${partition}/partition.json` });
  expect(said).toMatch(/EROFS/);
  expect(left).toEqual([`${partition}/partition.json`]);
  expect(forgotten).toEqual(new Set([1_024]));
});

test('rm ends with its machine, and what it was told to remove is not expected to be there', async () => {
  const { said, forgotten } = await removeWith(undefined, (world) => world.machines.get('a')?.powerLoss('drop'));
  expect(said).toMatch(/went down/);
  expect(forgotten).toEqual(new Set([1_024]));
});
