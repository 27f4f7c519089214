import type { Host } from '../../../host/host.ts';
import { makeDirectoryDurably, replaceFile } from '../../../storage/atomicFile.ts';
import { StreamBusError } from '../errors.ts';
import { raftStateDirectory, readSmallFile } from '../identity.ts';
import type { BrokerId } from '../ids.ts';
import { decodeJson, encodeJson } from '../meta/json.ts';

const format = 1;

/** How a cluster begins. Written before anybody may act on it; it lies in `raft-state/` and goes with it. */
export interface FoundingRecord {
  readonly clusterId: string;
  readonly brokers: readonly BrokerId[];
  /** The metadata at its first entry: see `foundCluster`. */
  readonly meta: Uint8Array;
}

const fileOf = (dataDirectory: string): string => `${raftStateDirectory(dataDirectory)}/founding.json`;

/** Notes how the cluster begins, durably. */
export async function writeFounding(host: Host, directory: string, founding: FoundingRecord): Promise<void> {
  await makeDirectoryDurably(host.disk, raftStateDirectory(directory));
  await replaceFile(host.disk, fileOf(directory), [encodeJson({ format, ...founding })]);
}

/**
 * What this broker has noted; undefined when nothing.
 *
 * @throws StreamBusError FORMAT_NEWER
 */
export async function readFounding(host: Host, directory: string): Promise<FoundingRecord | undefined> {
  const bytes = await readSmallFile(host.disk, fileOf(directory));
  if (bytes === undefined) return undefined;
  let value: unknown;
  try {
    value = decodeJson(bytes);
  } catch {
    // Damaged: as good as missing. A broker whose identity needs it gets another incarnation.
    return undefined;
  }
  const record = value as FoundingRecord & { readonly format: number }; // whole JSON of `writeFounding`
  if (record.format > format) {
    throw new StreamBusError(
      'FORMAT_NEWER',
      `${fileOf(directory)} is of format ${record.format}, this version reads up to ${format}: use the version that wrote it`,
    );
  }
  return { clusterId: record.clusterId, brokers: record.brokers, meta: record.meta };
}
