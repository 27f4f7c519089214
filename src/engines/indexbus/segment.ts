import {
  type Region,
  type RegionOptions,
  type SharedMemory,
  SharedMemoryError,
  type SharedMemoryErrorCode,
} from '../../host/sharedMemory.ts';
import { crc32c } from '../../wire/crc32c.ts';
import { derivedEnds } from './derivedNames.ts';
import { BusError, type BusErrorCode } from './errors.ts';
import {
  Header,
  type Layout,
  Lock,
  layoutOf,
  layoutVersion,
  magic,
  type SegmentSizes,
  SegmentState,
} from './layout.ts';
import { Point } from './points.ts';

/** An attached segment: one mapping that holds one bus. */
export interface Segment {
  readonly name: string;
  readonly region: Region;
  readonly layout: Layout;
  readonly words: Int32Array;
  readonly bytes: Uint8Array;
  readonly generation: number;
}

/** Where segments are, and how they are made. */
export interface SegmentPlace
  extends Pick<RegionOptions, 'directory' | 'backing' | 'group' | 'numaNode' | 'lockMemory' | 'lockName'> {
  readonly shm: SharedMemory;
  readonly name: string;
}

/** Where the generation before the one at `place` is while it is emptied: its locks are those of the name. */
export function formerPlace(place: SegmentPlace): SegmentPlace {
  return { ...place, name: place.name + derivedEnds.former, lockName: place.name };
}

/** Times that a segment is looked for anew since another generation took its name between the look and the opening: each is a roll. */
const mostLooks = 16;

/** Opens the segment of this name and checks that it is one. Rejects with `BusError`; the memory is left as it is. */
export async function openSegment(place: SegmentPlace): Promise<Segment> {
  for (let looks = 0; looks < mostLooks; looks += 1) {
    const found = await look(place);
    if (found === undefined) throw missing(place.name);
    try {
      return await openAsFound(place, found);
    } catch (error) {
      // Too short, or too long, for what was found: a roll may have put memory of another size there in between.
      const isOfSize = error instanceof BusError && (error.code === 'IB_TRUNCATED' || error.code === 'IB_BAD_CONFIG');
      const now = isOfSize ? await look(place) : found;
      if (now?.bytes === found.bytes && now.memory === found.memory) throw error;
    }
  }
  throw new BusError('IB_NO_SEGMENT', `${place.name} was replaced each of the ${mostLooks} times that it was opened`);
}

type Found = NonNullable<Awaited<ReturnType<SharedMemory['stat']>>>;

function look(place: SegmentPlace): Promise<Found | undefined> {
  return attempt(place, () => place.shm.stat(place.name, place));
}

async function openAsFound(place: SegmentPlace, found: Found): Promise<Segment> {
  const smallest = 4096;
  if (found.bytes < smallest) throw truncated(place.name, smallest, found.bytes);
  const bytes = found.bytes - (found.bytes % 4);
  const region = await attempt(place, () =>
    place.shm.open(place.name, bytes, { ...regionOptions(place), mode: 'open' }),
  );
  try {
    return segmentOver(place.name, region);
  } catch (error) {
    region.close();
    throw error;
  }
}

/**
 * Makes the segment under a name of its own and gives it the asked one when it is whole: nobody ever sees half of it. What stood under the name
 * stays with those attached. Nothing here looks at lock `Lock.router`: it is the caller who has it before this begins and keeps it until
 * this has settled, since names change at its end. Where it rejects nothing is left of it, and what stood under the name stands there again.
 *
 * @param fill writes what the segment shall have from the beginning
 * @param keepFormer what stood under the name can be opened at `formerPlace` from then on
 */
export async function createSegment(
  place: SegmentPlace,
  sizes: SegmentSizes,
  generation: number,
  fill: (segment: Segment) => void = () => {},
  keepFormer = false,
): Promise<Segment> {
  const layout = layoutOf(sizes);
  const building = place.name + derivedEnds.building;
  // What a builder that died has left. Only the holder of the router's lock builds.
  if ((await attempt(place, () => place.shm.stat(building, place))) !== undefined) {
    await attempt(place, () => place.shm.remove(building, place));
  }
  const region = await attempt(place, () =>
    place.shm.open(building, layout.bytes, { ...regionOptions(place), mode: 'create-new' }),
  );
  let isKept = false;
  try {
    region.step(Point.buildSegment);
    writeHeader(region.words, region.bytes, layout, generation, place.shm.bootId());
    fill(segmentOver(place.name, region));
    if (keepFormer) {
      region.step(Point.keepFormer);
      await nameFormer(place);
      isKept = true;
    }
    region.step(Point.publishSegment);
    await attempt(place, () => place.shm.rename(building, place.name, place));
    return segmentOver(place.name, region);
  } catch (error) {
    region.close();
    // Where one of these fails too, the next router or the next builder does it.
    if (keepFormer) await bringBack(place, isKept).catch(() => undefined);
    await place.shm.remove(building, place).catch(() => undefined);
    throw error;
  }
}

/** What stands under the name is the former generation from now on. */
async function nameFormer(place: SegmentPlace): Promise<void> {
  try {
    await place.shm.rename(place.name, formerPlace(place).name, place);
  } catch (error) {
    // It is already where a builder before this one could not put it back.
    const isMissing = error instanceof SharedMemoryError && error.code === 'ENOENT';
    const found = isMissing ? await look(formerPlace(place)) : undefined;
    if (found === undefined) throw asBusError(place.name, error);
  }
}

/**
 * Puts the former generation back, if it has lost the name. A change of names that was refused may have happened all the same: where the name leads nowhere, it was
 * the former generation that lost it, since the other name is given before this one is taken.
 *
 * @param isKept it is known to be under its other name
 */
async function bringBack(place: SegmentPlace, isKept: boolean): Promise<void> {
  if (isKept || (await look(place)) === undefined) await restoreFormer(place);
}

/** Puts the former generation back under the name: whoever was building its successor died before that had the name. */
export async function restoreFormer(place: SegmentPlace): Promise<void> {
  await attempt(place, () => place.shm.rename(formerPlace(place).name, place.name, place));
}

/** Removes the former generation of a segment, if there is one. Those attached keep it. */
export async function removeFormer(place: SegmentPlace): Promise<void> {
  const { name } = formerPlace(place);
  if ((await attempt(place, () => place.shm.stat(name, place))) === undefined) return;
  await attempt(place, () => place.shm.remove(name, place));
}

/** Whether the segment was made in this boot: one of an earlier boot is nobody's any more. */
export function isOfThisBoot(segment: Segment, shm: SharedMemory): boolean {
  return shm.bootId().every((word, index) => segment.words[Header.bootId + index] === (word | 0));
}

/** Writes the header of a new segment into its zeroed memory. */
export function writeHeader(
  words: Int32Array,
  bytes: Uint8Array,
  layout: Layout,
  generation: number,
  bootId: readonly number[],
): void {
  const { sizes } = layout;
  words[Header.magic] = magic;
  words[Header.version] = layoutVersion;
  words[Header.pages] = layout.bytes / 4096;
  words[Header.generation] = generation;
  words.set(bootId, Header.bootId);
  words[Header.producers] = sizes.producers;
  words[Header.lanes] = sizes.lanes;
  words[Header.slotsLog2] = Math.log2(sizes.slots);
  words[Header.laneRingLog2] = Math.log2(sizes.laneRing);
  words[Header.slotBytes] = sizes.slotBytes;
  words[Header.topics] = sizes.topics;
  words[Header.checksum] = headerChecksum(bytes);
  Atomics.store(words, Header.state, SegmentState.open);
}

function headerChecksum(bytes: Uint8Array): number {
  return crc32c(bytes.subarray(0, Header.checksum * 4)) | 0;
}

/** The segment that lies in a region. Throws `BusError` where there is none. */
export function segmentOver(name: string, region: Region): Segment {
  const { words, bytes } = region;
  region.step(Point.checkHeader);
  const at = (word: number): number => words[word] ?? 0;
  if (at(Header.magic) !== magic) {
    throw new BusError(
      'IB_FOREIGN',
      `${name} is no bus: it begins with other bytes; remove ${name}.json from its directory, or take another segment.name`,
      {
        expected: hex(magic),
        got: hex(at(Header.magic)),
      },
    );
  }
  if (at(Header.version) !== layoutVersion) {
    throw otherVersion(name, at(Header.version) >>> 0);
  }
  if (at(Header.checksum) !== headerChecksum(bytes)) {
    throw new BusError(
      'IB_CORRUPT',
      `the header of ${name} is damaged; end what uses it, remove ${name}.json from its directory, and start the router: it makes a new one`,
      {
        expected: hex(headerChecksum(bytes)),
        got: hex(at(Header.checksum)),
      },
    );
  }
  const layout = layoutOf({
    producers: at(Header.producers),
    lanes: at(Header.lanes),
    slots: 1 << (at(Header.slotsLog2) & 31),
    laneRing: 1 << (at(Header.laneRingLog2) & 31),
    slotBytes: at(Header.slotBytes),
    topics: at(Header.topics),
  });
  if (bytes.byteLength < layout.bytes) throw truncated(name, layout.bytes, bytes.byteLength);
  return { name, region, layout, words, bytes, generation: at(Header.generation) };
}

function regionOptions(place: SegmentPlace): Omit<RegionOptions, 'mode'> {
  const { shm: _, name, ...options } = place;
  return { lockName: name, ...options };
}

function missing(name: string): BusError {
  return new BusError('IB_NO_SEGMENT', `there is no segment ${name}; start its router: hotfire serve indexbus`);
}

/** Whoever is older has to go: a router neither changes a layout in place nor takes a segment from those who still use it. */
function otherVersion(name: string, version: number): BusError {
  const advice =
    version < layoutVersion
      ? `an older release made it: end its participants and its router, remove ${name}.json from its directory, then start the router of this release and the participants with it; with another segment.name the two can run side by side meanwhile`
      : `a newer release made it: start this program with the release of the segment's router; to go back to this one end all that uses the segment and remove ${name}.json from its directory first`;
  return new BusError(
    'IB_VERSION',
    `${name} has layout ${version}, this program has layout ${layoutVersion}; ${advice}`,
    {
      expected: String(layoutVersion),
      got: String(version),
    },
  );
}

function truncated(name: string, expected: number, got: number): BusError {
  return new BusError(
    'IB_TRUNCATED',
    `${name} is shorter than its header says; end what uses it, remove ${name}.json from its directory, and start the router: it makes a new one`,
    {
      expected: `${expected} bytes`,
      got: `${got} bytes`,
    },
  );
}

function hex(word: number): string {
  return `0x${(word >>> 0).toString(16).padStart(8, '0')}`;
}

const codeOf: Readonly<Record<SharedMemoryErrorCode, BusErrorCode>> = {
  ENOSPC: 'IB_NO_SPACE',
  ENOENT: 'IB_NO_SEGMENT',
  EACCES: 'IB_NOT_PERMITTED',
  ENOTMEMORY: 'IB_NOT_MEMORY',
  // A name, a size, a group or a backing that the machine does not know.
  EINVAL: 'IB_BAD_CONFIG',
  ENOTSUP: 'IB_BAD_CONFIG',
  EEXIST: 'IB_UNSAFE_CHANGE',
  EDAMAGED: 'IB_CORRUPT',
  EMFILE: 'IB_NO_DESCRIPTORS',
};

/** The bus's code for what opening shared memory fails with. */
export function busCodeOf(code: SharedMemoryErrorCode): BusErrorCode {
  return codeOf[code];
}

/** Runs a call of the shared memory and gives what it fails with the bus's own codes. */
async function attempt<T>(place: SegmentPlace, run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (error) {
    throw asBusError(place.name, error);
  }
}

/** Tells the memory that has the name now from any other, without mapping it; undefined where there is none, or nothing tells. Rejects with `BusError`. */
export async function memoryOf(place: SegmentPlace): Promise<string | undefined> {
  return (await attempt(place, () => place.shm.stat(place.name, place)))?.memory;
}

/** What the shared memory of the segment of this name fails with as the bus's own error; anything else as it came. */
export function asBusError(name: string, error: unknown): unknown {
  if (!(error instanceof SharedMemoryError)) return error;
  const code = busCodeOf(error.code);
  if (code === 'IB_NO_SEGMENT') return missing(name);
  return new BusError(code, `${name}: ${error.detail === '' ? error.message : error.detail}`, { cause: error });
}

/**
 * The region over which the locks of a segment's name are taken: it is there before the segment, and stays when the segment is replaced.
 * A page that nobody writes.
 */
export function openLocks(place: SegmentPlace): Promise<Region> {
  return attempt(place, () =>
    place.shm.open(place.name + derivedEnds.locks, 4096, { ...regionOptions(place), backing: 'auto', mode: 'create' }),
  );
}

/** Takes the router's lock, whose holder alone builds and routes. False if another has it, be it in this process. */
export function takeRouterLock(locks: Region): boolean {
  locks.step(Point.takeRouterLock);
  return locks.lock(Lock.router, 'alone');
}
