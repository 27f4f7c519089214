import { z } from 'zod';
import { DiskError } from '../../../host/disk.ts';
import type { Host } from '../../../host/host.ts';
import type { Lsn } from '../../../storage/journal/index.ts';
import { brokerIdOf, maxBrokerId, peersOf, type StreamBusConfig } from '../config.ts';
import { StreamBusError } from '../errors.ts';
import {
  acceptsRollback,
  drawUuid,
  type Identity,
  type IdentityVerdict,
  journalIdFile,
  markSuspect,
  raftStateDirectory,
  readIdentity,
  removeSuspect,
  writeIdentity,
} from '../identity.ts';
import type { BrokerId } from '../ids.ts';
import { type MetaCommands, MetaError, type RegisterBroker, type RegisterBrokerResult } from '../meta/commands.ts';
import { lastIncarnation } from '../meta/incarnations.ts';
import { decodeJson, encodeJson, hexOf } from '../meta/json.ts';
import type { MetaMachine } from '../meta/state.ts';
import { endpointsOf, FormatService } from './format.ts';
import { type FoundingRecord, readFounding } from './founding.ts';
import type { JournalEnds, ToldEnd } from './journalEnds.ts';
import type { KnownStart, KnownStarts } from './knownStarts.ts';
import { type Rpc, RpcError, RpcRefusal } from './rpc.ts';

const registerName = 'broker.register';
const helloName = 'broker.hello';
const answerMs = 5_000;
const retryMs = 500;
const sayMs = 10_000;
/** How long a broker waits for peers beyond a majority to say whether its disk is an old one. */
const helloPatienceMs = 2_000;
/** Who asks has no incarnation yet. */
const strangers = { strangers: true };

/** What a broker says of its start. */
export type Hello = Pick<
  RegisterBroker,
  'broker' | 'storage' | 'incarnation' | 'startCount' | 'session' | 'journalEnd' | 'durableEnd'
> &
  Pick<Identity, 'servedStart'>;

/** What another broker knows of it; undefined: nothing. */
interface HelloAnswer {
  readonly known?: KnownStart | undefined;
  /** How far it has told that its journal was durable, whoever it was then. */
  readonly told?: ToldEnd | undefined;
}

/** What an opened journal holds. */
export interface JournalFound {
  /** Its last record: what was promised is held against this. */
  readonly end: Lsn;
  /** Its last record that is proven to be on the medium: no more than this may be promised. */
  readonly durableEnd: Lsn;
}

/** The journal that goes with the identity. */
export interface OwnJournal {
  /** Opens what the directory has, or begins one. What it had promised may be gone: `lost` says how that was seen. */
  open(): Promise<JournalFound | { readonly lost: string }>;
  /** Lets go of it, open or not: it is another incarnation's. */
  close(): Promise<void>;
}

/** Who this broker is for as long as the process lives. */
export interface Established {
  readonly identity: Identity;
  /** Drawn for this start. */
  readonly session: string;
  /** Last record of the journal as it was found, and the last one that is proven to be on the medium. */
  readonly journalEnd: Lsn;
  readonly durableEnd: Lsn;
  /** How the cluster began, if this broker was one of the founders and is so still; undefined for one that joined. */
  readonly founding: FoundingRecord | undefined;
}

/**
 * Finds out who this broker is: reads its identity, begins or joins a cluster where there is none, opens the journal, asks for a new
 * incarnation where what it promised is lost, and counts the start. Nothing of the groups may be opened before it resolves. It waits as long as it
 * takes; `signal` ends it.
 *
 * The RPC has to be up: a broker without an identity calls and is called with the incarnation 0 and no cluster.
 *
 * @param formatService answers the peers; serves for as long as the process lives
 * @param onWait told why nobody grants a new incarnation, for as long as that is so
 */
export async function establish(
  host: Host,
  config: StreamBusConfig,
  rpc: Rpc,
  verdict: IdentityVerdict,
  formatService: FormatService,
  journal: OwnJournal,
  signal: AbortSignal,
  onWait: (why: string | undefined) => void = () => undefined,
): Promise<Established> {
  const session = hexOf(host.random.stream('session').bytes(8));
  const directory = config.storage.data_dir;
  const { logger } = host.telemetry;
  let identity: Identity | undefined;
  if (verdict.kind === 'fresh') {
    const outcome = await formatService.decide(rpc, signal);
    if (outcome.kind === 'founded') identity = outcome.identity;
    else logger.info('joining a cluster', { cluster: outcome.clusterId });
  } else if (verdict.kind === 'same') {
    identity = verdict.identity;
  } else {
    logger.warn('NEEDS_INCARNATION', { why: verdict.why, incarnation: verdict.identity.incarnation });
  }
  if (identity !== undefined) {
    let lost: string;
    const counted = { ...identity, startCount: identity.startCount + 1 };
    await writeIdentity(host, directory, counted);
    const opened = await journal.open();
    if ('end' in opened) {
      const { end: journalEnd, durableEnd } = opened;
      const behind = await askPeers(host, config, rpc, { ...counted, session, journalEnd, durableEnd }, signal);
      if (behind === undefined || acceptsRollback(host.telemetry)) {
        // Counted apart: starts that nobody has let in do not make an old disk look like a new one, however many there are.
        const served = { ...counted, servedStart: counted.startCount };
        await writeIdentity(host, directory, served);
        formatService.formatted(served);
        const founding = await foundingOf(host, config, served);
        return { identity: served, session, journalEnd, durableEnd, founding };
      }
      const { incarnation, startCount: starts } = counted;
      lost = behind;
      logger.error('ROLLED_BACK_DISK', { why: behind, incarnation, starts, journal: journalEnd });
    } else {
      lost = opened.lost;
      logger.error('JOURNAL_CORRUPT', { why: opened.lost });
    }
    await journal.close();
    await markSuspect(host, directory, lost);
  }
  for (;;) {
    const replaced = await takeIncarnation(host, config, rpc, session, signal, onWait);
    const opened = await journal.open();
    if ('end' in opened) {
      formatService.formatted(replaced);
      const { end: journalEnd, durableEnd } = opened;
      return { identity: replaced, session, journalEnd, durableEnd, founding: undefined };
    }
    logger.error('JOURNAL_CORRUPT', { why: opened.lost });
    await journal.close();
    await markSuspect(host, directory, opened.lost);
  }
}

/** Reads the identity and makes what answers the peers; the first step of a start, before `establish`. */
export async function beginIdentity(
  host: Host,
  config: StreamBusConfig,
  rpc: Rpc,
): Promise<{ readonly verdict: IdentityVerdict; readonly formatService: FormatService }> {
  const verdict = await readIdentity(host, config.storage.data_dir, brokerIdOf(config), config.cluster.id);
  const identity = verdict.kind === 'fresh' ? undefined : verdict.identity;
  return { verdict, formatService: new FormatService(host, config, rpc, identity) };
}

async function foundingOf(
  host: Host,
  config: StreamBusConfig,
  identity: Identity,
): Promise<FoundingRecord | undefined> {
  const founding = await readFounding(host, config.storage.data_dir);
  return identity.incarnation === 1 && founding?.clusterId === identity.clusterId ? founding : undefined;
}

/**
 * Asks the peers whether they have seen a later start of this broker, or another storage. Resolves to what they know against it,
 * or undefined once all have answered, or a majority of the brokers and some time was given to the others.
 */
async function askPeers(
  host: Host,
  config: StreamBusConfig,
  rpc: Rpc,
  hello: Hello,
  signal: AbortSignal,
): Promise<string | undefined> {
  const peers = peersOf(config).filter(({ broker }) => broker !== hello.broker);
  const majority = Math.floor((peers.length + 1) / 2) + 1;
  const answered = new Set<BrokerId>();
  const body = encodeJson(hello);
  const since = host.clock.now();
  let saidAt = since;
  for (;;) {
    signal.throwIfAborted();
    const found = await Promise.all(
      peers
        .filter(({ broker }) => !answered.has(broker))
        .map(async ({ broker }): Promise<string | undefined> => {
          try {
            const answer = await rpc.call(broker, helloName, body, { timeoutMs: retryMs, signal });
            answered.add(broker);
            return objection(hello, decodeJson(answer) as HelloAnswer, broker); // every broker answers with this form
          } catch (error) {
            if (error instanceof RpcError) return undefined;
            throw error;
          }
        }),
    );
    const first = found.find((why) => why !== undefined);
    if (first !== undefined) return first;
    const waited = host.clock.now() - since;
    if (answered.size === peers.length) return undefined;
    if (answered.size + 1 >= majority && waited >= helloPatienceMs) return undefined;
    if (host.clock.now() - saidAt >= sayMs) {
      host.telemetry.logger.info('waiting for a majority of the brokers', { answered: answered.size + 1, majority });
      saidAt = host.clock.now();
    }
    await host.clock.sleep(Math.min(retryMs, 100 + waited), signal);
  }
}

function objection(hello: Hello, { known, told }: HelloAnswer, from: BrokerId): string | undefined {
  if (told?.incarnation === hello.incarnation && told.end > hello.journalEnd) {
    return `broker ${from} was told of record ${told.end} of this broker's journal, which ends at ${hello.journalEnd}: its disk is an older copy`;
  }
  if (known === undefined) return undefined;
  if (known.incarnation === hello.incarnation && known.servedStart > hello.servedStart) {
    return `broker ${from} knows that start ${known.servedStart} of this broker has served, by its disk ${hello.servedStart} was the last: it is an older copy`;
  }
  if (known.session === hello.session) return undefined;
  if (known.incarnation > hello.incarnation) {
    return `broker ${from} knows incarnation ${known.incarnation} of this broker, its disk is of ${hello.incarnation}`;
  }
  if (known.incarnation < hello.incarnation) return undefined;
  if (known.storage !== '' && known.storage !== hello.storage) {
    return `broker ${from} knows this broker with another storage`;
  }
  if (known.startCount < hello.startCount) return undefined;
  return `broker ${from} has seen start ${known.startCount} of this broker, its disk counts this one as ${hello.startCount}: it is an older copy`;
}

/** What an operator can do where nobody grants an incarnation; nothing was removed from the directory until then. */
const noQuorum =
  'this broker has lost what it had promised and has no vote until the metadata has a leader that gives it a new incarnation: ' +
  "start the brokers whose disks are whole until a majority of the metadata's voters runs (sb check-quorum shows them); " +
  'where too few are left, stop all brokers, keep their directories, and restore a backup into empty ones';

/** Asks the cluster for a new incarnation through any peer, forgets what the old one held, and becomes the new one. */
async function takeIncarnation(
  host: Host,
  config: StreamBusConfig,
  rpc: Rpc,
  session: string,
  signal: AbortSignal,
  onWait: (why: string | undefined) => void,
): Promise<Identity> {
  const storage = drawUuid(host);
  const start = { storage, incarnation: 0, startCount: 1, journalEnd: 0, durableEnd: 0, session };
  const command = registration(host, config, start);
  const peers = peersOf(config).filter(({ broker }) => broker !== command.broker);
  let seen: RegisterBroker['seen'] = 0;
  let saidAt = Number.NEGATIVE_INFINITY;
  const since = host.clock.now();
  for (let attempt = 0; ; attempt++) {
    signal.throwIfAborted();
    const peer = peers[attempt % Math.max(1, peers.length)];
    if (peer === undefined) {
      throw new StreamBusError(
        'NEEDS_INCARNATION',
        `${config.storage.data_dir} has lost what this broker had promised, and cluster.peers names nobody who has it: restore a backup into an empty directory`,
      );
    }
    try {
      let result: RegisterBrokerResult;
      for (;;) {
        const body = encodeJson({ ...command, seen });
        const answer = await rpc.call(peer.broker, registerName, body, { timeoutMs: answerMs, signal });
        result = decodeJson(answer) as RegisterBrokerResult; // every broker answers with this form
        if (result.verdict !== 'outrun') break;
        // Which one is to be replaced is told to this process first: only while it lives can it ask for that.
        seen = result.incarnation;
      }
      if (result.verdict === 'exhausted') throw exhausted(command.broker);
      await clearRaftState(host, config.storage.data_dir);
      const identity: Identity = {
        clusterId: result.clusterId,
        broker: command.broker,
        storage,
        incarnation: result.incarnation,
        startCount: 1,
        servedStart: 1,
      };
      await writeIdentity(host, config.storage.data_dir, identity);
      await removeSuspect(host, config.storage.data_dir);
      onWait(undefined);
      host.telemetry.logger.info('incarnation taken', { incarnation: result.incarnation, verdict: result.verdict });
      return identity;
    } catch (error) {
      if (!(error instanceof RpcError)) throw error;
      const now = host.clock.now();
      if (now - saidAt >= sayMs) {
        const { logger } = host.telemetry;
        if (now - since < sayMs) {
          logger.warn('waiting for a new incarnation: meta needs a leader', { reason: error.message });
        } else {
          logger.error('NO_QUORUM', { why: noQuorum, reason: error.message, waitedMs: now - since });
          onWait(noQuorum);
        }
        saidAt = now;
      }
      await host.clock.sleep(retryMs, signal);
    }
  }
}

/** Removes everything in `raft-state/`, and the name of the journal there: it belongs to an incarnation that is fenced for ever. */
async function clearRaftState(host: Host, dataDirectory: string): Promise<void> {
  const unlessGone = (error: unknown): void => {
    if (!(error instanceof DiskError) || error.code !== 'ENOENT') throw error;
  };
  const remove = async (directory: string): Promise<void> => {
    for (const { name, kind } of await host.disk.list(directory)) {
      const path = `${directory}/${name}`;
      if (kind === 'directory') await remove(path);
      await host.disk.remove(path);
    }
    await host.disk.syncDirectory(directory);
  };
  await remove(raftStateDirectory(dataDirectory)).catch(unlessGone);
  await host.disk.remove(journalIdFile(dataDirectory)).catch(unlessGone);
  await host.disk.syncDirectory(dataDirectory).catch(unlessGone);
}

function registration(
  host: Host,
  config: StreamBusConfig,
  start: Pick<RegisterBroker, 'storage' | 'incarnation' | 'startCount' | 'journalEnd' | 'durableEnd' | 'session'>,
): RegisterBroker {
  return { type: 'register-broker', ...endpointsOf(host, config), ...start };
}

/** What brokers that start are told, and from what. */
export interface RegistrationsOptions {
  readonly config: StreamBusConfig;
  readonly rpc: Rpc;
  readonly machine: MetaMachine;
  /** Undefined until there are any. */
  readonly commands: () => MetaCommands | undefined;
  readonly journalEnds: JournalEnds;
  /** Beside the metadata, which know of those starts only that could register. */
  readonly starts: KnownStarts;
}

/**
 * Answers brokers that start: what is known of them, and registrations of those that have no metadata yet. To be served from the
 * start, before the groups are open: a cluster that lost power as a whole needs the answers to have a leader again. A start is noted
 * durably before it is answered: who is let in is remembered by whoever let it in.
 */
export function serveRegistrations(options: RegistrationsOptions): void {
  const { config, rpc, machine, commands, journalEnds, starts } = options;
  const named = new Set(peersOf(config).map(({ broker }) => broker));
  rpc.serve(
    helloName,
    async (body, from) => {
      const hello = decodeJson(body) as Hello; // a broker wrote it
      const { broker, incarnation, durableEnd } = hello;
      if (broker !== from) throw new RpcRefusal('NOT_YOURS', `broker ${from} speaks for broker ${broker}`);
      const registered = machine.brokers.get(broker);
      if (registered !== undefined) {
        const { storage, startCount } = registered;
        const session = machine.sessionOf(broker);
        // The metadata register nobody that has not been let in.
        const servedStart = startCount;
        starts.heard(broker, { storage, incarnation: registered.incarnation, startCount, servedStart, session });
        journalEnds.heard(broker, registered.incarnation, machine.journalEndOf(broker));
      }
      const known = starts.of(broker);
      const told = journalEnds.of(broker);
      if ((registered !== undefined || named.has(broker)) && objection(hello, { known, told }, broker) === undefined) {
        const { storage, startCount, servedStart, session } = hello;
        starts.heard(broker, { storage, incarnation, startCount, servedStart, session });
        journalEnds.heard(broker, incarnation, durableEnd);
        await starts.note();
      }
      const answer: HelloAnswer = {
        ...(told === undefined ? {} : { told }),
        ...(known === undefined ? {} : { known }),
      };
      return encodeJson(answer);
    },
    strangers,
  );
  rpc.serve(
    registerName,
    async (body, from, signal) => {
      const command = strangersCommand(decodeJson(body), from);
      const current = commands();
      if (current === undefined) throw new RpcRefusal('NOT_READY', 'this broker has not joined the cluster itself yet');
      try {
        return encodeJson(await current.submit(command, { timeoutMs: answerMs, signal }));
      } catch (error) {
        if (error instanceof MetaError) throw new RpcRefusal('NO_QUORUM', error.message);
        throw error;
      }
    },
    strangers,
  );
}

const endpointSchema = z.object({ host: z.string().min(1).max(255), port: z.int().min(0).max(65_535) });

/** What a broker may ask for before it belongs to the cluster: an incarnation of its own, and nothing else. */
const strangersSchema = z.object({
  type: z.literal('register-broker'),
  broker: z.int().min(1).max(maxBrokerId),
  storage: z.uuid(),
  incarnation: z.literal(0),
  startCount: z.literal(1),
  journalEnd: z.literal(0),
  durableEnd: z.literal(0),
  session: z.string().min(1).max(64),
  seen: z.int().min(0).max(lastIncarnation),
  kafka: endpointSchema,
  rpc: endpointSchema,
  http: endpointSchema,
  rack: z.string().max(255).optional(),
});

/** @throws RpcRefusal BAD_COMMAND, NOT_YOURS */
function strangersCommand(value: unknown, from: BrokerId): RegisterBroker {
  const parsed = strangersSchema.safeParse(value);
  if (!parsed.success) {
    const why = parsed.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`).join('; ');
    throw new RpcRefusal('BAD_COMMAND', `expected the registration of a broker without an incarnation: ${why}`);
  }
  const { broker, rack } = parsed.data;
  if (broker !== from) throw new RpcRefusal('NOT_YOURS', `broker ${from} speaks for broker ${broker}`);
  return { ...parsed.data, rack };
}

/**
 * Registers this start with the metadata: where clients find the broker, and that the start has been seen. Tries until it is done;
 * a cluster without a leader has to elect one first.
 *
 * @throws StreamBusError ROLLED_BACK_DISK or NEEDS_INCARNATION when the cluster does not take this broker for what it says: it must end, and
 * asks for a new incarnation when it starts again
 */
export async function registerStart(
  host: Host,
  config: StreamBusConfig,
  commands: MetaCommands,
  { identity, session, journalEnd, durableEnd }: Established,
  signal: AbortSignal,
): Promise<void> {
  const { storage, incarnation, startCount } = identity;
  const command = registration(host, config, { storage, incarnation, startCount, journalEnd, durableEnd, session });
  for (;;) {
    signal.throwIfAborted();
    try {
      // Judged before the metadata here have it: who is fenced is sent nothing more of them.
      await commands.submit(command, { signal, onResult: (result) => judgeRegistration(config, identity, result) });
      return;
    } catch (error) {
      if (!(error instanceof MetaError)) throw error;
      host.telemetry.logger.info('not registered yet', { reason: error.message });
      await host.clock.sleep(retryMs, signal);
    }
  }
}

/** @throws StreamBusError when this broker is not what it says it is, by the metadata */
function judgeRegistration(
  config: StreamBusConfig,
  { broker, incarnation }: Identity,
  { verdict, incarnation: current }: RegisterBrokerResult,
): void {
  if (verdict === 'exhausted') throw exhausted(broker);
  if (current === incarnation) return;
  throw new StreamBusError(
    verdict === 'rolled-back' ? 'ROLLED_BACK_DISK' : 'NEEDS_INCARNATION',
    `the cluster knows broker ${broker} as incarnation ${current}, and ${config.storage.data_dir} is of ${incarnation} (${verdict}): start again, and it takes the new one`,
  );
}

function exhausted(broker: BrokerId): StreamBusError {
  return new StreamBusError(
    'NEEDS_INCARNATION',
    `broker ${broker} has lost its disk 65,535 times: give it another server.broker_id`,
  );
}
