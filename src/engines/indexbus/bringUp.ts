import type { Host } from '../../host/host.ts';
import { EngineError, ExitCode } from '../engine.ts';
import { isoSeconds } from '../isoTime.ts';
import { type IndexbusConfig, sizesOf } from './config.ts';
import { BusError, type BusErrorCode } from './errors.ts';
import { isGivenUp, takeBack } from './formerGeneration.ts';
import { Header, type SegmentSizes, SegmentState } from './layout.ts';
import type { RouterLock } from './routerLock.ts';
import {
  createSegment,
  formerPlace,
  isOfThisBoot,
  openSegment,
  removeFormer,
  type Segment,
  type SegmentPlace,
} from './segment.ts';

/** Exit code of a router whose segment another one has: EX_TEMPFAIL, since it may be tried again. */
const exitHeld = 75;

/** What the machine, or its file system, forbids: EX_NOPERM. */
const exitNotPermitted = 77;

const exits: Readonly<Partial<Record<BusErrorCode, number>>> = {
  IB_FOREIGN: ExitCode.data,
  IB_VERSION: ExitCode.data,
  IB_TRUNCATED: ExitCode.data,
  IB_CORRUPT: ExitCode.data,
  IB_NO_SPACE: ExitCode.io,
  IB_NO_DESCRIPTORS: ExitCode.io,
  IB_NOT_MEMORY: ExitCode.configuration,
  IB_BAD_CONFIG: ExitCode.configuration,
  IB_UNSAFE_CHANGE: ExitCode.configuration,
  IB_NEEDS_ROLL: ExitCode.configuration,
  IB_NOT_PERMITTED: exitNotPermitted,
  IB_ROUTER_HELD: exitHeld,
};

/** What a process ends with that fails with one of the bus's errors. */
export function exitOf(code: BusErrorCode): number {
  return exits[code] ?? ExitCode.software;
}

/** A failure of the bus as one that ends the daemon; others are given back as they are. */
export function asEngineError(error: unknown): unknown {
  if (!(error instanceof BusError)) return error;
  return new EngineError(error.code, exitOf(error.code), error.message, { cause: error });
}

/** The refusal of a second router. */
export function routerHeld(name: string, lock: RouterLock): BusError {
  const { pid, since, routerId } = lock.holder();
  return new BusError(
    'IB_ROUTER_HELD',
    `router ${routerId || '-'} routes ${name}: pid ${pid}, since ${isoSeconds(since)}; end it, or start this one with --standby`,
    { expected: 'a segment without a router', got: `pid ${pid}` },
  );
}

/** Where a configuration wants its segment. */
export function placeOf(host: Host, config: IndexbusConfig): SegmentPlace {
  const { segment, numa_node: node } = config;
  return {
    shm: host.shm,
    name: segment.name,
    backing: segment.backing,
    ...(segment.directory === 'auto' ? {} : { directory: segment.directory }),
    ...(segment.group === 'none' ? {} : { group: segment.group }),
    ...(typeof node === 'number' ? { numaNode: node } : {}),
    lockMemory: config.lock_memory,
  };
}

/** The segment that a router will serve, and how it came to it. */
export interface Claimed {
  readonly segment: Segment;
  readonly origin: 'made' | 'found' | 'replaced';
  /** The generation before, which its router was emptying when it ended: it comes first. */
  readonly former?: Segment;
}

/**
 * Opens the segment of a configuration, or makes it: where there is none, where it was made in an earlier boot, where it was retired. What is
 * no segment of this version is left alone. A roll that its router did not end is found with both its generations; where the later one was given up,
 * the former one is back. The caller holds the router's lock until this has settled. Rejects with `BusError`.
 */
export async function claimSegment(host: Host, config: IndexbusConfig): Promise<Claimed> {
  const place = placeOf(host, config);
  const sizes = sizesOf(config);
  const former = await openIfThere(formerPlace(place));
  let found = await openIfThere(place);
  if (former !== undefined) {
    if (found !== undefined && isBeingRolled(former, found, host)) return { segment: found, origin: 'found', former };
    if (found !== undefined && !isGivenUp(found, former)) await removeFormer(place);
    else {
      // Whoever built the one after it, or found that one damaged, died before this had the name again.
      found?.region.close();
      await takeBack(place, former);
      found = await openIfThere(place);
    }
    former.region.close();
  }
  if (found === undefined) return { segment: await createSegment(place, sizes, 1), origin: 'made' };
  const isRetired = Atomics.load(found.words, Header.state) === SegmentState.retired;
  if (!isRetired && isOfThisBoot(found, host.shm)) return { segment: found, origin: 'found' };
  const generation = found.generation + 1;
  found.region.close();
  return { segment: await createSegment(place, sizes, generation), origin: 'replaced' };
}

/** Whether the later generation waits for the former one to be empty. */
function isBeingRolled(former: Segment, next: Segment, host: Host): boolean {
  const ofThisBoot = isOfThisBoot(former, host.shm) && isOfThisBoot(next, host.shm);
  const isWaiting = Atomics.load(next.words, Header.state) === SegmentState.waiting;
  return ofThisBoot && isWaiting && next.generation === former.generation + 1;
}

async function openIfThere(place: SegmentPlace): Promise<Segment | undefined> {
  try {
    return await openSegment(place);
  } catch (error) {
    if (error instanceof BusError && error.code === 'IB_NO_SEGMENT') return undefined;
    throw error;
  }
}

/** Names of the sizes in which a segment differs from what is asked for; a roll would change them. */
export function otherSizes(segment: Segment, asked: SegmentSizes): readonly string[] {
  const { sizes } = segment.layout;
  // Both are SegmentSizes, whose keys these are.
  return (Object.keys(asked) as (keyof SegmentSizes)[])
    .filter((key) => sizes[key] !== asked[key])
    .map((key) => `${key} ${sizes[key]}, asked for ${asked[key]}`);
}
