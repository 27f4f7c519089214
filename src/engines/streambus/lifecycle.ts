import { DiskError, isNoSpace } from '../../host/disk.ts';
import type { Host } from '../../host/host.ts';
import { type Address, NetworkError } from '../../host/network.ts';
import { replaceFile } from '../../storage/atomicFile.ts';
import { type Journal, JournalError, openJournal, WalCorruption } from '../../storage/journal/index.ts';
import type { FormatService } from './broker/format.ts';
import { type Established, establish, type OwnJournal } from './broker/register.ts';
import type { Rpc } from './broker/rpc.ts';
import type { StreamBusConfig } from './config.ts';
import { StreamBusError, storeError } from './errors.ts';
import { type IdentityVerdict, journalIdFile, raftStateDirectory, readText } from './identity.ts';

/** Appended and not yet durable; the turn holds back before it. */
const journalPendingBytes = 256 * 1024 * 1024;

const lookAgainMs = 500;
const sayMs = 10_000;

/** Who this broker is, and the journal that goes with it. */
export interface Standing {
  readonly established: Established;
  readonly journal: Journal;
}

/**
 * Finds out who this broker is and opens its journal. A journal that is gone, foreign or has lost acknowledged records makes it ask for a new
 * incarnation, as a lost identity does: what it promised there is void.
 */
export async function takeStanding(
  host: Host,
  config: StreamBusConfig,
  rpc: Rpc,
  begun: { readonly verdict: IdentityVerdict; readonly formatService: FormatService },
  signal: AbortSignal,
  onWait: (why: string | undefined) => void,
): Promise<Standing> {
  let journal: Journal | undefined;
  const own: OwnJournal = {
    open: async () => {
      try {
        const opened = await openOwnJournal(host, config);
        journal = opened.journal;
        return { end: opened.recovery.last, durableEnd: journal.provenLsn };
      } catch (error) {
        if (error instanceof JournalLost) return { lost: error.message };
        throw error;
      }
    },
    close: async () => {
      await journal?.close();
      journal = undefined;
    },
  };
  try {
    const { verdict, formatService } = begun;
    const established = await establish(host, config, rpc, verdict, formatService, own, signal, onWait);
    if (journal === undefined) throw new Error('this broker is established without a journal');
    await untilProven(host, journal, signal, onWait);
    return { established, journal };
  } catch (error) {
    await own.close();
    throw error;
  }
}

/**
 * Waits until the tail that was found is written anew, for as long as there is no room for it. A replica answers for entries that it
 * holds already without writing anything, and must not answer for what the power may still take.
 */
export async function untilProven(
  host: Host,
  journal: Pick<Journal, 'provenLsn' | 'durableLsn' | 'status'>,
  signal: AbortSignal,
  onWait: (why: string | undefined) => void,
): Promise<void> {
  let saidAt = Number.NEGATIVE_INFINITY;
  while (journal.provenLsn < journal.durableLsn) {
    const { state, why } = journal.status();
    if (state === 'failed') throw new StreamBusError('JOURNAL_FAILED', `the journal's tail cannot be written: ${why}`);
    if (host.clock.now() - saidAt >= sayMs) {
      host.telemetry.logger.warn('waiting for room on the disk: the tail of the journal has to be written anew', {
        why,
      });
      onWait(`the disk has no room for the tail of the journal: ${why}`);
      saidAt = host.clock.now();
    }
    await host.clock.sleep(lookAgainMs, signal);
  }
  onWait(undefined);
}

/** What the journal had promised is not there any more. */
class JournalLost extends Error {
  override readonly name = 'JournalLost';
}

const journalDirectory = (dataDirectory: string): string => `${raftStateDirectory(dataDirectory)}/journal`;

async function openOwnJournal(host: Host, config: StreamBusConfig): ReturnType<typeof openJournal> {
  const directory = config.storage.data_dir;
  const { segment_size: segmentBytes, max_batch: maxBatchBytes, max_wait: maxWaitMs } = config.storage.journal;
  const takesAny = host.telemetry.mutant('wiped-keeps-identity');
  const expected = takesAny ? undefined : (await readText(host.disk, journalIdFile(directory)))?.trim();
  const opened = await openJournal(host, {
    directory: journalDirectory(directory),
    name: 'streambus',
    metricsPrefix: 'streambus_',
    segmentBytes,
    maxBatchBytes,
    maxWaitMs,
    maxPendingBytes: journalPendingBytes,
    // One entry of half a segment still fits.
    maxAppendBytes: segmentBytes,
    // Clients are refused there; what frees space, and what elections and coordinators write, still goes in.
    belowReserve: 'tell',
    create: expected === undefined ? 'if-missing' : 'never',
  }).catch((error: unknown) => {
    throw journalError(error, directory);
  });
  const { journal } = opened;
  if (expected !== undefined && journal.id !== expected) {
    await journal.close();
    throw new JournalLost(`${journalDirectory(directory)} holds journal ${journal.id}, expected ${expected}`);
  }
  if (expected === undefined) {
    await replaceFile(host.disk, journalIdFile(directory), [new TextEncoder().encode(`${journal.id}\n`)]);
  }
  return opened;
}

function journalError(error: unknown, directory: string): unknown {
  if (error instanceof WalCorruption) return new JournalLost(error.message);
  if (!(error instanceof JournalError)) return error;
  if (error.code === 'JournalMissing') return new JournalLost(error.message);
  if (error.code === 'JournalFormat') return new JournalLost(error.message);
  if (error.code === 'JournalLocked') {
    return new StreamBusError('DATA_DIR_LOCKED', `${directory}: ${error.message}`, { cause: error });
  }
  // Nothing was promised in what there was no room for: free some, and the next start goes on.
  for (let at: unknown = error; at instanceof Error; at = at.cause) {
    if (at instanceof DiskError && isNoSpace(at)) return storeError(at);
  }
  return new StreamBusError('JOURNAL_FAILED', `${directory}: ${error.message}`, { cause: error });
}

/** An address that cannot be listened at, as the error that ends the process. Another error comes back as it is. */
export function listenError(error: unknown, key: string, address: Address): unknown {
  if (!(error instanceof NetworkError)) return error;
  return new StreamBusError(
    'PORT_IN_USE',
    `${key}: ${address.host}:${address.port} cannot be listened at (${error.code}): stop what listens there, or name another port`,
    { cause: error },
  );
}
