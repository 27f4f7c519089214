import type { CatchUpPeers } from '../broker/group.ts';
import type { BrokerId } from '../ids.ts';
import { frameBytesMax } from './catchUpSend.ts';
import type { PartitionCore } from './core.ts';
import type { Epochs } from './epochs.ts';
import { decodeSegmentAnswer, encodeSegmentRequest, type SegmentAnswer } from './peerMessages.ts';
import type { IndexEntry } from './segmentIndex.ts';
import { BadRun, VerifiedRun } from './verifiedRun.ts';

/** Rounds through all replicas without one byte before it is given up: what is asked for may be trimmed by now. */
const fruitlessRoundsMax = 10;
const roundPauseMs = 500;

/** The others have not got, or not any more, what is asked for. */
export class CatchUpFailed extends Error {
  override readonly name = 'CatchUpFailed';
}

/** The segment is no part of the log any more: a replica has applied a trim that this one will apply, too. */
export class SegmentGone extends Error {
  override readonly name = 'SegmentGone';
}

/** Bytes of a segment that this replica lacks: [from, to), beginning with the batch at offset `next`. */
export interface Stretch {
  readonly base: number;
  readonly from: number;
  readonly to: number;
  readonly next: number;
  /** Largest time of what precedes it in the segment, or more; -1 at its beginning. */
  readonly maxTimestampBefore: number;
  /** Of the log that it is a part of. */
  readonly epochs: Epochs;
}

/** Whole batches that were pulled, with their places for the index. */
export interface PulledBatches {
  readonly position: number;
  readonly bytes: Uint8Array;
  readonly entries: readonly IndexEntry[];
}

/**
 * Pulls a stretch from any replica, in frames, at the broker's rate, and gives batches to `take` once they are checked. Resolves to the
 * offset after the last one. Rejects with `CatchUpFailed` when nobody has it, `SegmentGone` when it was
 * trimmed, or with the signal's reason.
 */
export async function pullStretch(
  core: PartitionCore,
  stretch: Stretch,
  peers: CatchUpPeers,
  take: (batches: PulledBatches) => Promise<void>,
): Promise<number> {
  const liars = new Set<BrokerId>();
  let run = new VerifiedRun(stretch.next, stretch.epochs, stretch.maxTimestampBefore);
  let position = stretch.from;
  while (position < stretch.to) {
    const { frame, from } = await nextFrame(core, stretch, position + run.pending, peers, liars);
    const entries: IndexEntry[] = [];
    const before = { next: run.next, maxTimestamp: run.maxTimestamp };
    let whole: Uint8Array;
    try {
      let at = position;
      whole = run.take(frame, (batch, header, maxTimestampBefore) => {
        entries.push({ offset: header.baseOffset, position: at, maxTimestampBefore });
        at += batch.length;
      });
    } catch (error) {
      if (!(error instanceof BadRun)) throw error;
      // Nothing of it is written. A batch that came in pieces is asked for anew: either replica may have sent the bad piece.
      core.host.telemetry.logger.warn('a replica sent what is no part of the log', {
        directory: core.directory,
        broker: from,
        why: error.message,
      });
      liars.add(from);
      run = new VerifiedRun(before.next, stretch.epochs, before.maxTimestamp);
      continue;
    }
    if (whole.length === 0) {
      if (position + run.pending < stretch.to) continue;
      throw new CatchUpFailed(
        `${core.directory}: segment ${stretch.base} ends inside of a batch at byte ${stretch.to}`,
      );
    }
    await take({ position, bytes: whole, entries });
    position += whole.length;
    core.host.telemetry.sometimes('catch-up in more than one frame', position < stretch.to);
  }
  return run.next;
}

/** Asks the replicas in turn, but for those that sent what is no part of the log, until one has bytes at `position`. */
async function nextFrame(
  core: PartitionCore,
  stretch: Stretch,
  position: number,
  peers: CatchUpPeers,
  liars: ReadonlySet<BrokerId>,
): Promise<{ readonly frame: Uint8Array; readonly from: BrokerId }> {
  const oneBatch = core.host.telemetry.buggify('one-batch frame');
  const length = Math.min(stretch.to - position, oneBatch ? 256 : frameBytesMax);
  const request = encodeSegmentRequest({ base: stretch.base, position, length });
  let trimmed = false;
  for (let round = 0; round < fruitlessRoundsMax; round++) {
    for (const broker of peers.brokers().filter((candidate) => !liars.has(candidate))) {
      await core.hooks.shared.payForCatchUp(length, peers.signal);
      peers.signal.throwIfAborted();
      const answer = await askForFrame(peers, broker, request);
      if (answer?.kind === 'bytes' && answer.bytes.length > 0) {
        return { frame: answer.bytes.subarray(0, length), from: broker };
      }
      if (answer?.kind === 'gone') trimmed = true;
    }
    if (trimmed) throw new SegmentGone(`${core.directory}: segment ${stretch.base} was trimmed meanwhile`);
    await core.host.clock.sleep(roundPauseMs, peers.signal);
  }
  throw new CatchUpFailed(`${core.directory}: no replica has segment ${stretch.base} at byte ${position}`);
}

/** What a replica answers; undefined when it does not, or not in words that are known: somebody else may. */
async function askForFrame(
  peers: CatchUpPeers,
  broker: BrokerId,
  request: Uint8Array,
): Promise<SegmentAnswer | undefined> {
  try {
    return decodeSegmentAnswer(await peers.ask(broker, request));
  } catch {
    return undefined;
  }
}
