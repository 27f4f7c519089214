import { expect, it } from 'vitest';
import { openJournal } from '../../../src/storage/journal/index.ts';
import { journalWorld, payloadOf, readAll, smallJournal, withJournal } from '../../support/journalWorld.ts';

it('should never date a batch before its predecessor, though the clock is set back and a new segment is left empty by a crash', async () => {
  const { machine, begin, run } = journalWorld({ seed: 31 });
  let rolled = false;
  await begin(
    async (host) => {
      const { journal } = await openJournal(host, smallJournal);
      await journal.append([{ type: 1, payload: payloadOf(1) }]).durable();
      machine.clock.shiftWall(-2_000);
      await journal.roll();
      rolled = true;
    },
    () => rolled,
  );
  machine.kill();
  const walls = await run((host) =>
    withJournal(host, async (journal) => {
      await journal.append([{ type: 1, payload: payloadOf(2) }]).durable();
      return (await readAll(journal)).map((record) => record.wallMs);
    }),
  );
  expect(walls).toHaveLength(2);
  expect(walls[1]).toBeGreaterThanOrEqual(walls[0] ?? Number.POSITIVE_INFINITY);
});
