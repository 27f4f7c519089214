import { describe, expect, test } from 'vitest';
import { RpcError } from '../../../../src/engines/streambus/broker/rpc.ts';
import { encodeJson } from '../../../../src/engines/streambus/groups/entries.ts';
import { addPartitionsToTxn } from '../../../../src/engines/streambus/kafka/apis/addPartitionsToTxn.ts';
import { endTxn } from '../../../../src/engines/streambus/kafka/apis/endTxn.ts';
import { initProducerId } from '../../../../src/engines/streambus/kafka/apis/initProducerId.ts';
import { listTransactions } from '../../../../src/engines/streambus/kafka/apis/listTransactions.ts';
import { firstRecord } from '../../../../src/engines/streambus/txn/transitions.ts';
import { kafkaErrors } from '../../../../src/wire/kafka/errors.ts';
import { withCoordination } from '../support/coordination.ts';
import { commitInTransaction, fetchOffsets } from '../support/offsetCalls.ts';
import { TransactionalClient } from '../support/transactionalClient.ts';

/** What the log has of an id that was just used for the first time. */
function recordOf({ transactionalId, producerId }: TransactionalClient) {
  return firstRecord({ transactionalId, producerId: -1, producerEpoch: -1, timeoutMs: 60_000 }, producerId, 0);
}

describe('InitProducerId', () => {
  test('should give an idempotent producer another id each time, with epoch 0', () =>
    withCoordination(async (world) => {
      const request = { transactionalId: null, transactionTimeoutMs: 0, producerId: -1, producerEpoch: -1 };
      const ids = [await world.call(initProducerId, request), await world.call(initProducerId, request)];
      expect(ids.map(({ producerId }) => producerId)).toEqual([1_000, 1_001]);
      expect(ids.every(({ producerEpoch, errorCode }) => producerEpoch === 0 && errorCode === 0)).toBe(true);
      const denied = await world.call(initProducerId, request, { authorize: () => false });
      expect(denied.errorCode).toBe(kafkaErrors.CLUSTER_AUTHORIZATION_FAILED);
    }));

  test('should fence the former instance of a transactional id', () =>
    withCoordination(async (world) => {
      const old = new TransactionalClient(world);
      const young = new TransactionalClient(world);
      expect(await old.init()).toBe(0);
      expect(old.identity).toMatchObject({ producerId: 1_000, producerEpoch: 0 });
      expect(await young.init()).toBe(0);
      expect(young.identity).toMatchObject({ producerId: 1_000, producerEpoch: 1 });
      expect(await old.add(0)).toBe(kafkaErrors.PRODUCER_FENCED);
      expect(await old.end(true)).toBe(kafkaErrors.PRODUCER_FENCED);
      expect(await old.init({ again: true })).toBe(kafkaErrors.PRODUCER_FENCED);
      expect(await old.init({ again: true, version: 3 })).toBe(kafkaErrors.INVALID_PRODUCER_EPOCH);
      expect(await young.add(0)).toBe(0);
    }));

  test('should abort what the former instance left open, in an epoch that nobody has', () =>
    withCoordination(async (world) => {
      const old = new TransactionalClient(world);
      await old.init();
      await old.add(0, 1);
      const young = new TransactionalClient(world);
      expect(await young.init()).toBe(0);
      expect(young.producerEpoch).toBe(2);
      expect(world.markers.map(({ partition, commit, producerEpoch }) => [partition, commit, producerEpoch])).toEqual([
        [0, false, 1],
        [1, false, 1],
      ]);
      expect(await old.end(true)).toBe(kafkaErrors.PRODUCER_FENCED);
    }));

  test('should not fence when epochs do not rise', () =>
    withCoordination(
      async (world) => {
        const old = new TransactionalClient(world);
        await old.init();
        await new TransactionalClient(world).init();
        expect(await old.add(0)).toBe(0);
      },
      { mutants: ['epoch-not-bumped'] },
    ));

  test('should let a producer go on as itself, also when it did not hear the answer (KIP-360)', () =>
    withCoordination(async (world) => {
      const client = new TransactionalClient(world);
      await client.init();
      const before = client.identity;
      expect(await client.init({ again: true })).toBe(0);
      expect(client.producerEpoch).toBe(1);
      Object.assign(client, before);
      expect(await client.init({ again: true })).toBe(0);
      expect(client.producerEpoch).toBe(1);
    }));

  test.each([1, 2] as const)('should give another producer id when epochs have run out (version %i)', (version) =>
    withCoordination(async (world) => {
      const client = new TransactionalClient(world, { version });
      await client.init();
      const record = { ...recordOf(client), producerEpoch: 32_766 };
      await world.transactions.propose(encodeJson({ kind: 'put', record, begins: false }));
      client.producerEpoch = 32_766;
      const before = client.identity;
      if (version === 1) {
        expect(await client.init({ again: true })).toBe(0);
        const after = client.identity;
        expect(after).toMatchObject({ producerEpoch: 0 });
        Object.assign(client, before);
        expect(await client.init({ again: true })).toBe(0);
        expect(client.identity).toEqual(after);
      } else {
        await client.add(0);
        expect(await client.end(true)).toBe(0);
        const after = client.identity;
        expect(after).toMatchObject({ producerEpoch: 0 });
        await world.sleep(10);
        expect(world.markers[0]).toMatchObject({ producerId: 1_000, producerEpoch: 32_767 });
        Object.assign(client, before);
        expect(await client.end(true)).toBe(0);
        expect(client.identity).toEqual(after);
      }
      expect(client.producerId).not.toBe(1_000);
      expect(await client.add(1)).toBe(0);
    }),
  );

  test('should refuse what is no request', () =>
    withCoordination(async (world) => {
      const client = new TransactionalClient(world);
      expect(await client.init({ timeoutMs: 0 })).toBe(kafkaErrors.INVALID_TRANSACTION_TIMEOUT);
      expect(await client.init({ timeoutMs: 900_001 })).toBe(kafkaErrors.INVALID_TRANSACTION_TIMEOUT);
      expect(await new TransactionalClient(world, { transactionalId: '' }).init()).toBe(kafkaErrors.INVALID_REQUEST);
      expect(await client.add(0)).toBe(kafkaErrors.INVALID_PRODUCER_ID_MAPPING);
      world.transactions.lose({ leader: 2 });
      expect(await client.init()).toBe(kafkaErrors.NOT_COORDINATOR);
    }));
});

describe('a transaction', () => {
  test('should end with a marker in each of its partitions, and only there', () =>
    withCoordination(async (world) => {
      const client = new TransactionalClient(world);
      await client.init();
      expect(await client.state()).toBe('Empty');
      expect(await client.add(0, 2)).toBe(0);
      expect(await client.add(2, 3)).toBe(0);
      expect(await client.describe()).toEqual({ state: 'Ongoing', partitions: [0, 2, 3] });
      expect(await client.end(true)).toBe(0);
      expect(await client.state()).toBe('PrepareCommit');
      expect(await client.end(true)).toBe(0);
      expect(await client.end(false)).toBe(kafkaErrors.INVALID_TXN_STATE);
      await world.sleep(10);
      expect(await client.state()).toBe('CompleteCommit');
      expect(world.markers.map(({ partition }) => partition)).toEqual([0, 2, 3]);
      expect(world.markers[0]).toMatchObject({ topic: 'orders', producerId: 1_000, producerEpoch: 0, commit: true });
      expect(world.markers[0]?.coordinatorEpoch).toBe(world.transactions.term);
      await client.add(1);
      expect(await client.end(false)).toBe(0);
      await world.sleep(10);
      expect(world.markers.at(-1)).toMatchObject({ partition: 1, commit: false, producerEpoch: 0 });
      expect(await client.state()).toBe('CompleteAbort');
      expect(await client.end(true)).toBe(kafkaErrors.INVALID_TXN_STATE);
    }));

  test('should begin anew at once when the client does not wait for the markers of the last one', () =>
    withCoordination(async (world) => {
      const client = new TransactionalClient(world);
      await client.init();
      for (let i = 0; i < 5; i++) {
        expect(await client.add(0)).toBe(0);
        expect(await client.end(i % 2 === 0)).toBe(0);
      }
      await world.sleep(10);
      expect(world.markers.map(({ commit }) => commit)).toEqual([true, false, true, false, true]);
    }));

  test('should add all partitions or none', () =>
    withCoordination(async (world) => {
      const client = new TransactionalClient(world);
      await client.init();
      const topics = [
        { name: 'orders', partitions: [0, 77] },
        { name: 'payments', partitions: [0] },
      ];
      const authorize = (_: string, type: string, name: string) => type !== 'topic' || name !== 'payments';
      const { results } = await world.call(
        addPartitionsToTxn,
        { ...client.identity, topics },
        { version: 3, authorize },
      );
      const codes = results.flatMap((topic) => topic.results.map(({ partitionErrorCode }) => partitionErrorCode));
      expect(codes).toEqual([kafkaErrors.OPERATION_NOT_ATTEMPTED, 3, 29]);
      expect(await client.state()).toBe('Empty');
    }));

  test('should be aborted when its time is up, and its producer fenced', () =>
    withCoordination(async (world) => {
      const client = new TransactionalClient(world);
      await client.init({ timeoutMs: 10_000 });
      await client.add(0);
      await world.sleep(9_000);
      expect(await client.state()).toBe('Ongoing');
      await world.sleep(2_500);
      expect(await client.state()).toBe('CompleteAbort');
      expect(world.markers).toMatchObject([{ commit: false, producerEpoch: 1 }]);
      expect(await client.end(true)).toBe(kafkaErrors.PRODUCER_FENCED);
      const answer = await world.call(endTxn, { ...client.identity, committed: true }, { version: 1 });
      expect(answer.errorCode).toBe(kafkaErrors.INVALID_PRODUCER_EPOCH);
      expect(await client.init()).toBe(0);
      expect(await client.add(0)).toBe(0);
    }));

  test('should be listed by state, producer and age', () =>
    withCoordination(async (world) => {
      const a = new TransactionalClient(world, { transactionalId: 'a' });
      const b = new TransactionalClient(world, { transactionalId: 'b' });
      await a.init();
      await b.init();
      await a.add(0);
      await world.sleep(5_000);
      const list = async (more: object) => {
        const request = { stateFilters: [], producerIdFilters: [], durationFilter: -1, ...more };
        const answer = await world.call(listTransactions, request, { version: 1 });
        return [
          answer.transactionStates.map(({ transactionalId }) => transactionalId).join(),
          ...(answer.unknownStateFilters ?? []),
        ];
      };
      expect(await list({})).toEqual(['a,b']);
      expect(await list({ stateFilters: ['Ongoing', 'Mad'] })).toEqual(['a', 'Mad']);
      expect(await list({ producerIdFilters: [b.producerId] })).toEqual(['b']);
      expect(await list({ durationFilter: 4_000 })).toEqual(['a']);
      expect(await list({ durationFilter: 6_000 })).toEqual(['']);
      expect(world.transactionShard.coordinator.openCount).toBe(1);
      expect(world.transactionShard.coordinator.oldestOpenWallMs).toBe(world.host.clock.wall() - 5_000);
      expect(await new TransactionalClient(world, { transactionalId: 'x' }).state()).toBe('error 105');
    }));

  test('should be forgotten with its id when that is not used for long', () =>
    withCoordination(
      async (world) => {
        const used = new TransactionalClient(world, { transactionalId: 'used' });
        const idle = new TransactionalClient(world, { transactionalId: 'idle' });
        await used.init();
        await idle.init();
        await world.sleep(50 * 60_000);
        await used.init();
        await world.sleep(15 * 60_000);
        expect(await idle.state()).toBe('error 105');
        expect(await used.state()).toBe('Empty');
        expect(await idle.add(0)).toBe(kafkaErrors.INVALID_PRODUCER_ID_MAPPING);
      },
      { config: { transactions: { id_expiration: '1h' } }, toMs: 7_200_000 },
    ));
});

describe('version 2 (KIP-890)', () => {
  test('should raise the epoch with each end, and give a repeat the same answer', () =>
    withCoordination(async (world) => {
      const client = new TransactionalClient(world, { version: 2 });
      await client.init();
      expect(await client.add(0)).toBe(0);
      const before = client.identity;
      expect(await client.end(true)).toBe(0);
      expect(client.producerEpoch).toBe(1);
      await world.sleep(10);
      expect(world.markers).toMatchObject([{ commit: true, producerEpoch: 1 }]);
      Object.assign(client, before);
      expect(await client.end(true)).toBe(0);
      expect(client.producerEpoch).toBe(1);
      Object.assign(client, before);
      expect(await client.end(false)).toBe(kafkaErrors.INVALID_TXN_STATE);
      expect(await client.add(0)).toBe(kafkaErrors.PRODUCER_FENCED);
      client.producerEpoch = 1;
      expect(await client.add(0)).toBe(0);
      Object.assign(client, before);
      expect(await client.end(true)).toBe(kafkaErrors.PRODUCER_FENCED);
    }));

  test('should let nothing be aborted, with another epoch, but not committed', () =>
    withCoordination(async (world) => {
      const client = new TransactionalClient(world, { version: 2 });
      await client.init();
      expect(await client.end(true)).toBe(kafkaErrors.INVALID_TXN_STATE);
      expect(await client.end(false)).toBe(0);
      expect(client.producerEpoch).toBe(1);
      expect(world.markers).toEqual([]);
      expect(await client.add(0)).toBe(0);
    }));

  test('should wait for the end of the last transaction before it adds to the next', () =>
    withCoordination(async (world) => {
      const client = new TransactionalClient(world, { version: 2 });
      await client.init();
      await client.add(0);
      world.markerCode = () => kafkaErrors.NOT_LEADER_OR_FOLLOWER;
      await client.end(true);
      const begin = world.host.clock.now();
      expect(await client.add(0)).toBe(kafkaErrors.CONCURRENT_TRANSACTIONS);
      expect(world.host.clock.now() - begin).toBeCloseTo(1_000, -2);
      world.markerCode = () => 0;
      await world.sleep(1_000);
      expect(await client.add(0)).toBe(0);
    }));
});

describe('verification', () => {
  test('should say of an older client whether its partition was added', () =>
    withCoordination(async (world) => {
      const client = new TransactionalClient(world);
      await client.init();
      expect(await client.verify(false, 0)).toBe(kafkaErrors.INVALID_TXN_STATE);
      await client.add(0);
      expect(await client.verify(false, 0)).toBe(0);
      expect(await client.verify(false, 0, 1)).toBe(kafkaErrors.INVALID_TXN_STATE);
      client.producerEpoch = 9;
      expect(await client.verify(false, 0)).toBe(kafkaErrors.PRODUCER_FENCED);
      client.producerEpoch = 0;
      world.markerCode = () => kafkaErrors.NOT_LEADER_OR_FOLLOWER;
      await client.end(true);
      expect(await client.verify(false, 0)).toBe(kafkaErrors.CONCURRENT_TRANSACTIONS);
      world.markerCode = () => 0;
      await world.sleep(1_000);
      expect(await client.verify(false, 0)).toBe(kafkaErrors.INVALID_TXN_STATE);
      world.rpcFailure = new RpcError('unreachable', 'nobody there');
      expect(await client.verify(false, 0)).toBe(kafkaErrors.COORDINATOR_NOT_AVAILABLE);
    }));

  test('should not be answered by a coordinator that was deposed', () =>
    withCoordination(async (world) => {
      const client = new TransactionalClient(world);
      await client.init();
      await client.add(0);
      world.transactions.hold();
      const asking = client.verify(false, 0);
      await world.sleep(5);
      world.transactions.lose({ leader: 2 });
      expect(await asking).toBe(kafkaErrors.NOT_COORDINATOR);
    }));
});

describe('offsets in a transaction', () => {
  test('should be visible after its commit, and 88 before to those who ask for stable ones', () =>
    withCoordination(async (world) => {
      const client = new TransactionalClient(world);
      await client.init();
      expect(await commitInTransaction(world, client.identity, 5)).toBe(kafkaErrors.INVALID_TXN_STATE);
      expect(await commitInTransaction(world, client.identity, 5, {}, { version: 4 })).toBe(
        kafkaErrors.TRANSACTION_ABORTABLE,
      );
      expect(await client.addOffsets()).toBe(0);
      expect(await commitInTransaction(world, client.identity, 5)).toBe(0);
      expect(await fetchOffsets(world)).toEqual({ errorCode: 0, offsets: [-1] });
      expect(await fetchOffsets(world, 'g', { requireStable: true })).toEqual({ errorCode: 0, offsets: [-88] });
      await client.end(true);
      await world.sleep(10);
      expect(await fetchOffsets(world, 'g', { requireStable: true })).toEqual({ errorCode: 0, offsets: [5] });
      await client.addOffsets();
      await commitInTransaction(world, client.identity, 9);
      await client.end(false);
      await world.sleep(10);
      expect(await fetchOffsets(world, 'g', { requireStable: true })).toEqual({ errorCode: 0, offsets: [5] });
    }));

  test('should be added to the transaction by the broker for clients of version 2', () =>
    withCoordination(async (world) => {
      const client = new TransactionalClient(world, { version: 2 });
      await client.init();
      expect(await commitInTransaction(world, client.identity, 5, {}, { version: 5 })).toBe(0);
      expect(await client.state()).toBe('Ongoing');
      const before = client.identity;
      await client.end(true);
      await world.sleep(10);
      expect(await fetchOffsets(world)).toEqual({ errorCode: 0, offsets: [5] });
      expect(await commitInTransaction(world, before, 6, {}, { version: 5 })).toBe(kafkaErrors.INVALID_PRODUCER_EPOCH);
    }));

  test('should not slip into the next transaction when the end overtakes them', () =>
    withCoordination(async (world) => {
      const client = new TransactionalClient(world);
      await client.init();
      await client.addOffsets();
      await commitInTransaction(world, client.identity, 5);
      world.groups.hold();
      const late = commitInTransaction(world, client.identity, 6);
      await world.sleep(1);
      // The marker stands in the log before the offsets: as when they were under way at the end.
      const marker = {
        producerId: client.producerId,
        producerEpoch: 0,
        coordinatorEpoch: 1,
        transaction: 9,
        groups: ['g'],
      };
      const ending = world.groupShard.coordinator.endTransaction({ ...marker, commit: true });
      const later = commitInTransaction(world, client.identity, 7);
      await world.sleep(1);
      world.groups.release();
      expect(await late).toBe(0);
      expect(await ending).toBe(0);
      expect(await later).toBe(kafkaErrors.CONCURRENT_TRANSACTIONS);
      expect(await fetchOffsets(world, 'g', { requireStable: true })).toEqual({ errorCode: 0, offsets: [6] });
    }));

  test('should ignore a marker that comes again after the next transaction has begun', () =>
    withCoordination(async (world) => {
      const client = new TransactionalClient(world);
      await client.init();
      await client.addOffsets();
      await commitInTransaction(world, client.identity, 5);
      await client.end(true);
      await world.sleep(10);
      await client.addOffsets();
      await commitInTransaction(world, client.identity, 6);
      const { coordinator } = world.groupShard;
      const marker = { producerId: client.producerId, producerEpoch: 0, coordinatorEpoch: 2, groups: ['g'] };
      expect(await coordinator.endTransaction({ ...marker, transaction: 4, commit: true })).toBe(0);
      expect(await fetchOffsets(world, 'g', { requireStable: true })).toEqual({ errorCode: 0, offsets: [-88] });
      const stale = { ...marker, coordinatorEpoch: 1, transaction: 99, commit: true };
      expect(await coordinator.endTransaction(stale)).toBe(kafkaErrors.CONCURRENT_TRANSACTIONS);
    }));
});

describe('a fail-over of the coordinator of transactions', () => {
  test.each([0, 1])('should leave a transaction open or ended, never torn, when %i of its end survives', (survive) =>
    withCoordination(async (world) => {
      const client = new TransactionalClient(world);
      await client.init();
      await client.add(0, 1);
      world.transactions.hold();
      const ending = client.end(true);
      await world.sleep(1);
      expect(world.markers).toEqual([]);
      world.transactions.bounce({ survive });
      world.transactions.release();
      expect(await ending).toBe(kafkaErrors.NOT_COORDINATOR);
      await world.sleep(100);
      expect(await client.state()).toBe(survive === 1 ? 'CompleteCommit' : 'Ongoing');
      expect(world.markers).toHaveLength(survive === 1 ? 2 : 0);
      expect(await client.end(true)).toBe(0);
      await world.sleep(100);
      expect(world.markers).toHaveLength(2);
      expect(world.markers.every(({ commit }) => commit)).toBe(true);
    }),
  );

  test('should be answered with 16 what takes longer than 5 s: asking again is safe', () =>
    withCoordination(async (world) => {
      const client = new TransactionalClient(world);
      await client.init();
      await client.add(0);
      world.transactions.hold();
      const begin = world.host.clock.now();
      expect(await client.end(true)).toBe(kafkaErrors.NOT_COORDINATOR);
      expect(world.host.clock.now() - begin).toBeCloseTo(5_000, -2);
      world.transactions.release();
      expect(await client.end(true)).toBe(0);
    }));

  test('should send the markers that the last leader did not, in its own term', () =>
    withCoordination(async (world) => {
      const client = new TransactionalClient(world);
      await client.init();
      await client.add(0, 1, 2);
      world.markerCode = ({ partition }) => (partition === 1 ? kafkaErrors.NOT_LEADER_OR_FOLLOWER : 0);
      expect(await client.end(true)).toBe(0);
      await world.sleep(500);
      const term = world.transactions.term;
      world.transactions.lose({ leader: 2 });
      await world.sleep(1_000);
      world.markerCode = () => 0;
      await world.sleep(1_000);
      expect(world.markers.map(({ partition }) => partition)).toEqual([0, 2]);
      world.transactions.lead();
      await world.sleep(100);
      const late = world.markers.filter(({ partition }) => partition === 1);
      expect(late).toMatchObject([{ commit: true, producerEpoch: 0 }]);
      expect(late[0]?.coordinatorEpoch).toBeGreaterThan(term);
      expect(await client.state()).toBe('CompleteCommit');
    }));

  test('should lose a decision that was not logged while its markers were on their way', () =>
    withCoordination(
      async (world) => {
        const client = new TransactionalClient(world);
        await client.init({ timeoutMs: 5_000 });
        await client.add(0, 1);
        world.markerCode = ({ partition }) => (partition === 1 ? kafkaErrors.NOT_LEADER_OR_FOLLOWER : 0);
        expect(await client.end(true)).toBe(0);
        await world.sleep(100);
        expect(world.transactions.log.at(-1)?.data.length).toBeGreaterThan(0);
        const last = Buffer.from(world.transactions.log.at(-1)?.data ?? []).toString();
        expect(last).toContain('"Ongoing"');
      },
      { mutants: ['marker-unlogged'] },
    ));

  test('should give an open transaction its full time again', () =>
    withCoordination(async (world) => {
      const client = new TransactionalClient(world);
      await client.init({ timeoutMs: 10_000 });
      await client.add(0);
      await world.sleep(8_000);
      world.transactions.bounce();
      await world.sleep(8_000);
      expect(await client.state()).toBe('Ongoing');
      await world.sleep(4_000);
      expect(await client.state()).toBe('CompleteAbort');
    }));

  test('should send markers to a partition that is gone to nobody, and complete', () =>
    withCoordination(async (world) => {
      const client = new TransactionalClient(world);
      await client.init();
      await client.add(0);
      world.deleteTopic('orders');
      await client.end(true);
      await world.sleep(10);
      expect(await client.state()).toBe('CompleteCommit');
      expect(world.markers).toEqual([]);
    }));

  test('should write a marker once though it is sent twice', async () => {
    let repeats = 0;
    for (let seed = 1; seed <= 12; seed++) {
      await withCoordination(
        async (world) => {
          const client = new TransactionalClient(world);
          await client.init();
          for (let i = 0; i < 20; i++) {
            await client.add(0, 1);
            await client.end(true);
          }
          await world.sleep(100);
          repeats += world.calls.length - 20;
          expect(world.markers).toHaveLength(40);
        },
        { buggify: true, seed },
      );
    }
    expect(repeats).toBeGreaterThan(0);
  });
});

describe('the fence of connections', () => {
  test('should drop what comes late on a connection older than the newest of its id', () =>
    withCoordination(async (world) => {
      const client = new TransactionalClient(world);
      client.connection = 7;
      await client.init();
      await client.add(0);
      client.connection = 8;
      expect(await client.end(true)).toBe(0);
      expect(await client.add(1)).toBe(0);
      client.connection = 7;
      await expect(client.end(true)).rejects.toMatchObject({ name: 'DropConnection', reason: 'stale-transaction' });
      client.connection = 8;
      expect(await client.state()).toBe('Ongoing');
      // Offsets go to the coordinator of the group, over a connection of their own.
      expect(await client.addOffsets()).toBe(0);
      expect(await commitInTransaction(world, client.identity, 1, {}, { connection: 3 })).toBe(0);
    }));

  test('should tell a producer that another instance has fenced why, and not cut it off', () =>
    withCoordination(async (world) => {
      const zombie = new TransactionalClient(world);
      zombie.connection = 7;
      await zombie.init();
      await zombie.add(0);
      const heir = new TransactionalClient(world);
      heir.connection = 8;
      await heir.init();
      await heir.add(1);
      expect(await zombie.end(true)).toBe(kafkaErrors.PRODUCER_FENCED);
      expect(await zombie.add(0)).toBe(kafkaErrors.PRODUCER_FENCED);
      expect(await zombie.addOffsets()).toBe(kafkaErrors.PRODUCER_FENCED);
      // Coming back on a newer connection it does not make its heir a late one.
      zombie.connection = 9;
      expect(await zombie.end(true)).toBe(kafkaErrors.PRODUCER_FENCED);
      expect(await heir.end(true)).toBe(0);
    }));

  test('should let a late end end the next transaction when it is down', () =>
    withCoordination(
      async (world) => {
        const client = new TransactionalClient(world);
        await client.init();
        client.connection = 8;
        await client.add(1);
        client.connection = 7;
        expect(await client.end(true)).toBe(0);
      },
      { mutants: ['no-connection-fence'] },
    ));
});
