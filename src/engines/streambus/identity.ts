import { z } from 'zod';
import { type Disk, DiskError, type DiskErrorCode, type DiskFile, isNoSpace } from '../../host/disk.ts';
import type { Host } from '../../host/host.ts';
import type { Telemetry } from '../../host/telemetry.ts';
import { makeDirectoryDurably, replaceFile } from '../../storage/atomicFile.ts';
import { maxBrokerId } from './config.ts';
import { StreamBusError, storeError } from './errors.ts';
import type { BrokerId, Incarnation } from './ids.ts';

/** Version of the files' form; 2 tells the last start that was let in. */
const format = 2;

const identitySchema = z.strictObject({
  format: z.int(),
  cluster_id: z.string().min(1),
  broker_id: z.int().min(1).max(maxBrokerId),
  storage: z.uuid(),
  incarnation: z.int().min(1).max(65_535),
  start_count: z.int().min(0),
  served_start: z.int().min(0).optional(),
});

const suspectSchema = z.looseObject({ storage: z.uuid(), incarnation: z.int(), why: z.string() });

/** Who a data directory belongs to. Written twice: at its root and in `raft-state/`, so that a loss of either is seen. */
export interface Identity {
  readonly clusterId: string;
  readonly broker: BrokerId;
  /** UUID of this storage. */
  readonly storage: string;
  readonly incarnation: Incarnation;
  /** Starts of the broker on this storage. */
  readonly startCount: number;
  /** The last of them that the other brokers had nothing against: what was promised was promised up to this one. */
  readonly servedStart: number;
}

/** What the two copies of a data directory's identity say. */
export type IdentityVerdict =
  /** No copy: the directory is new. */
  | { readonly kind: 'fresh' }
  /** Both copies agree. */
  | { readonly kind: 'same'; readonly identity: Identity }
  /** What this broker had promised is lost or another's: it needs a new incarnation. `why` says what was found. */
  | { readonly kind: 'needs-incarnation'; readonly identity: Identity; readonly why: string };

export const raftStateDirectory = (dataDirectory: string): string => `${dataDirectory}/raft-state`;
/**
 * Names the journal that belongs here, once there was one: another one, or none, is a loss. Not beside the journal: who takes that away
 * with everything about it must not make it look as if there never was one.
 */
export const journalIdFile = (dataDirectory: string): string => `${dataDirectory}/journal.id`;
const rootFile = (dataDirectory: string): string => `${dataDirectory}/identity.json`;
/** Says that this storage has lost what it had promised: not in `raft-state/`, which is cleared for the next incarnation. */
const suspectFile = (dataDirectory: string): string => `${dataDirectory}/suspect.json`;
const twinFile = (dataDirectory: string): string => `${raftStateDirectory(dataDirectory)}/identity.json`;

/**
 * Takes a data directory for this process, making it if it is missing.
 *
 * @throws StreamBusError DATA_DIR_LOCKED with the holder's process id; DATA_DIR_NOT_WRITABLE with path and cause
 */
export async function lockDataDirectory(host: Host, directory: string): Promise<DiskFile> {
  const path = `${directory}/.lock`;
  let file: DiskFile | undefined;
  try {
    await makeDirectoryDurably(host.disk, directory);
    file = await host.disk.open(path, { mode: 'create' });
    await file.lock();
    return file;
  } catch (error) {
    await file?.close().catch(() => undefined);
    if (!(error instanceof DiskError)) throw error;
    if (error.code === 'ELOCKED') {
      const holder = error.holderPid === undefined ? 'another process' : `process ${error.holderPid}`;
      throw new StreamBusError('DATA_DIR_LOCKED', `${directory} is in use by ${holder}; stop it first`, {
        cause: error,
      });
    }
    const { code, path: at } = error;
    if (code === 'EIO' || isNoSpace(error)) throw storeError(error);
    throw new StreamBusError(
      'DATA_DIR_NOT_WRITABLE',
      `storage.data_dir: expected a directory that this user may write, got ${code} at ${at}: ${remedyOf(code, directory)}`,
      { cause: error },
    );
  }
}

function remedyOf(code: DiskErrorCode, directory: string): string {
  switch (code) {
    case 'ENOTDIR':
    case 'EEXIST':
      return `a part of the path is no directory; name another one, or move away what stands there (namei -l ${directory} shows it)`;
    case 'ENOENT':
      return 'no directory can be made there; name another one, on a disk';
    case 'EROFS':
      return 'the disk is mounted to be read only; mount it anew, or name a directory on another one';
    default:
      return `look at its owner and mode with ls -la ${directory}`;
  }
}

/**
 * Reads both copies and compares them; a root that a crash left one start behind is brought level.
 *
 * @param broker the number that the configuration gives this broker
 * @throws StreamBusError WRONG_CLUSTER for another broker's or cluster's directory, FORMAT_NEWER
 */
export async function readIdentity(
  host: Host,
  directory: string,
  broker: BrokerId,
  clusterId: string | undefined,
): Promise<IdentityVerdict> {
  const rootCopy = await readCopy(host.disk, rootFile(directory));
  const twinCopy = await readCopy(host.disk, twinFile(directory));
  const { identity: root } = rootCopy;
  const { identity: twin } = twinCopy;
  for (const identity of [root, twin]) {
    if (identity === undefined) continue;
    if (identity.broker !== broker) {
      throw new StreamBusError(
        'WRONG_CLUSTER',
        `${directory} belongs to broker ${identity.broker}, and server.broker_id is ${broker}: name the right directory or number`,
      );
    }
    if (clusterId !== undefined && identity.clusterId !== clusterId) {
      throw new StreamBusError(
        'WRONG_CLUSTER',
        `${directory} belongs to cluster ${identity.clusterId}, and cluster.id is ${clusterId}: name the right directory or cluster`,
      );
    }
  }
  if (root === undefined && twin === undefined) return { kind: 'fresh' };
  if (root === undefined) {
    const identity = twin ?? unreachable();
    // Formatted and never started: the power failed between the two copies, and nothing was promised yet.
    if (identity.startCount === 0) return { kind: 'same', identity };
    const found = rootCopy.isThere ? 'cannot be read' : 'is missing';
    return { kind: 'needs-incarnation', identity, why: `identity.json ${found}, raft-state has one` };
  }
  const needs = (why: string): IdentityVerdict =>
    host.telemetry.mutant('wiped-keeps-identity')
      ? { kind: 'same', identity: root }
      : { kind: 'needs-incarnation', identity: root, why };
  const suspect = await readSuspect(host.disk, directory);
  if (suspect?.storage === root.storage && suspect.incarnation === root.incarnation) return needs(suspect.why);
  if (twin === undefined) {
    const found = twinCopy.isThere ? 'raft-state/identity.json cannot be read' : 'raft-state is missing or empty';
    return needs(`${found}: what this broker voted and acknowledged is lost`);
  }
  if (twin.storage !== root.storage || twin.clusterId !== root.clusterId) {
    return needs(`raft-state belongs to storage ${twin.storage}, the directory to ${root.storage}`);
  }
  if (twin.incarnation !== root.incarnation) {
    return needs(`raft-state is of incarnation ${twin.incarnation}, the directory of ${root.incarnation}`);
  }
  // The root is written last: a crash between the two leaves it one start behind. Further apart, one of them is an older copy.
  if (twin.startCount < root.startCount || twin.startCount > root.startCount + 1) {
    return needs(
      `raft-state has counted ${twin.startCount} starts, the directory ${root.startCount}: one is an older copy`,
    );
  }
  const { startCount, servedStart } = twin;
  const identity = { ...root, startCount, servedStart };
  // Level before the next start is counted: two starts that are cut off in a row would else look like an older copy.
  if (startCount > root.startCount || servedStart > root.servedStart)
    await replaceFile(host.disk, rootFile(directory), [bytesOf(identity)]);
  return { kind: 'same', identity };
}

/** A planted bug: whoever comes back with less than it had promised is taken for what it says. */
export function acceptsRollback(telemetry: Telemetry): boolean {
  return telemetry.mutant('rollback-accepted') || telemetry.mutant('wiped-keeps-identity');
}

function unreachable(): never {
  throw new Error('one of two copies is there, and neither was found');
}

/** A copy of the identity as it was found: undefined where it is missing, or cannot be read. */
interface IdentityCopy {
  readonly identity: Identity | undefined;
  readonly isThere: boolean;
}

async function readCopy(disk: Disk, path: string): Promise<IdentityCopy> {
  const text = await readText(disk, path);
  return text === undefined
    ? { identity: undefined, isThere: false }
    : { identity: parseCopy(path, text), isThere: true };
}

function parseCopy(path: string, text: string): Identity | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    value = undefined;
  }
  const formatOf = z.looseObject({ format: z.int() }).safeParse(value);
  if (formatOf.success && formatOf.data.format > format) {
    throw new StreamBusError(
      'FORMAT_NEWER',
      `${path} is of format ${formatOf.data.format}, this version reads up to ${format}: use the version that wrote it`,
    );
  }
  const parsed = identitySchema.safeParse(value);
  // A file that cannot be read proves nothing: it is as good as missing, and the other copy says what is lost.
  if (!parsed.success) return undefined;
  const { cluster_id: clusterId, broker_id: broker, storage, incarnation, start_count: startCount } = parsed.data;
  // Files of earlier versions tell of no more than that it was started.
  const { served_start: servedStart = startCount } = parsed.data;
  return { clusterId, broker, storage, incarnation, startCount, servedStart };
}

/** Writes both copies, durably. A crash in between leaves the root one start behind, which the next `readIdentity` mends. */
export async function writeIdentity(host: Host, directory: string, identity: Identity): Promise<void> {
  const bytes = bytesOf(identity);
  await makeDirectoryDurably(host.disk, raftStateDirectory(directory));
  await replaceFile(host.disk, twinFile(directory), [bytes]);
  await replaceFile(host.disk, rootFile(directory), [bytes]);
}

function bytesOf({ clusterId, broker, storage, incarnation, startCount, servedStart }: Identity): Uint8Array {
  const fields = {
    format,
    cluster_id: clusterId,
    broker_id: broker,
    storage,
    incarnation,
    start_count: startCount,
    served_start: servedStart,
  };
  return new TextEncoder().encode(`${JSON.stringify(fields, undefined, 2)}\n`);
}

/**
 * Notes durably that what lies here counts no more: every later start asks for a new incarnation. It is not removed before that is granted,
 * which takes a majority of the metadata's voters, and these may all have come to the same.
 */
export async function markSuspect(host: Host, directory: string, why: string): Promise<void> {
  const { identity: root } = await readCopy(host.disk, rootFile(directory));
  // Without it the next start finds one copy of the identity alone, which says the same.
  if (root === undefined) return;
  const { storage, incarnation } = root;
  const text = `${JSON.stringify({ storage, incarnation, why }, undefined, 2)}\n`;
  await replaceFile(host.disk, suspectFile(directory), [new TextEncoder().encode(text)]);
}

/** Another incarnation has begun: a mark that a crash leaves names the one before, and says nothing of it. */
export async function removeSuspect(host: Host, directory: string): Promise<void> {
  try {
    await host.disk.remove(suspectFile(directory));
    await host.disk.syncDirectory(directory);
  } catch (error) {
    if (!(error instanceof DiskError) || error.code !== 'ENOENT') throw error;
  }
}

async function readSuspect(disk: Disk, directory: string): Promise<z.infer<typeof suspectSchema> | undefined> {
  const text = await readText(disk, suspectFile(directory));
  if (text === undefined) return undefined;
  try {
    return suspectSchema.safeParse(JSON.parse(text)).data;
  } catch {
    // It is replaced whole: who wrote this was not a broker. What the peers know is asked for anyway.
    return undefined;
  }
}

/** A fresh UUID of version 4 (RFC 9562, §5.4) from the host's randomness. */
export function drawUuid(host: Host): string {
  const bytes = host.random.stream('uuid').bytes(16);
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x40;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  const hex = Buffer.from(bytes).toString('hex');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}

/** The whole text of a small file; undefined when it is missing. Throws `DiskError`. */
export async function readText(disk: Disk, path: string): Promise<string | undefined> {
  const bytes = await readSmallFile(disk, path);
  return bytes === undefined ? undefined : new TextDecoder().decode(bytes);
}

/** The whole content of a small file; undefined when it is missing. Throws `DiskError`. */
export async function readSmallFile(disk: Disk, path: string): Promise<Uint8Array | undefined> {
  let file: DiskFile;
  try {
    file = await disk.open(path, { mode: 'read' });
  } catch (error) {
    if (error instanceof DiskError && (error.code === 'ENOENT' || error.code === 'ENOTDIR')) return undefined;
    throw error;
  }
  try {
    const bytes = new Uint8Array(await file.size());
    const read = await file.read(0, bytes);
    return bytes.subarray(0, read);
  } finally {
    await file.close();
  }
}
