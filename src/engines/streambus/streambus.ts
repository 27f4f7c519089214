import type { Timer } from '../../host/clock.ts';
import type { DiskFile } from '../../host/disk.ts';
import type { Host } from '../../host/host.ts';
import type { Journal } from '../../storage/journal/index.ts';
import type { Route } from '../route.ts';
import type { AdminContext } from './admin/context.ts';
import { Jobs } from './admin/jobs.ts';
import { adminRoutes } from './admin/routes.ts';
import { standingTasks } from './admin/standingTasks.ts';
import { LateRuntime } from './broker/lateRuntime.ts';
import type { GroupObserver } from './broker/observer.ts';
import { beginIdentity, registerStart, serveRegistrations } from './broker/register.ts';
import type { GroupsRuntime } from './broker/runtime.ts';
import { Transport } from './broker/transport.ts';
import { brokerIdOf, peersOf, reloadInto, type StreamBusConfig } from './config.ts';
import { DiskWatch } from './diskWatch.ts';
import { endingError, StreamBusError, storeError } from './errors.ts';
import { lockDataDirectory, markSuspect, readSmallFile } from './identity.ts';
import { type BrokerId, metaGroup } from './ids.ts';
import { type KafkaListener, openKafkaListener } from './kafka/listener.ts';
import { listenError, takeStanding } from './lifecycle.ts';
import { memoryWarning, readMemory } from './memory.ts';
import type { Metadata } from './meta/metadata.ts';
import { MetaMachine } from './meta/state.ts';
import { createMetaCommands, serveCommands } from './meta/submit.ts';
import { createMetrics, type StreamBusMetrics } from './metrics.ts';
import { brokerReadings } from './readings.ts';
import { ReadOnly } from './readOnly.ts';
import { Running } from './running.ts';
import { readTls } from './security/tlsFiles.ts';
import type { BrokerServices } from './services.ts';
import { TaskRegistry } from './tasks.ts';
import { serveTransfers, transferLead } from './transferLead.ts';
import { createConnectionFence } from './txn/fence.ts';
import { createProducerIds } from './txn/pids.ts';
import { serveTransactions } from './txn/serve.ts';

/** A drain gives its leads away and ends its clients' requests within this time. */
const handOverMs = 8_000;
const drainMs = 20_000;
/**
 * For so long a broker that has given its leads away still answers the clients that are connected, with where the leads are. Who is cut off
 * before it knows another broker has no connection at all for a moment, which some clients take for the end of the cluster.
 */
const guideMs = 3_000;
const guideLookMs = 100;

/** What a broker is given beside its configuration. */
export interface StreamBusOptions {
  /** Is told of everything that the broker's groups do. */
  readonly observer?: GroupObserver;
}

/** A broker. */
export interface StreamBus {
  readonly services: BrokerServices;
  readonly metadata: Metadata;
  readonly runtime: GroupsRuntime;
  readonly metrics: StreamBusMetrics;
  /** Memory that the broker counts by itself: batches and logs, in bytes. */
  readonly countedBytes: number;
  /** Every HTTP route; they answer from the beginning. */
  readonly routes: readonly Route[];
  /** Resolves when clients are served; it may wait for a majority for ever. Rejects as `stopped` does. */
  readonly ready: Promise<void>;
  /** Where clients connect; undefined before `ready`. */
  readonly kafka: KafkaListener | undefined;
  /** Resolves after `drain` or `stop`; rejects with `StreamBusError` when the broker cannot go on. */
  readonly stopped: Promise<void>;
  /** Takes the data directory and listens to other brokers; the rest goes on by itself. @throws StreamBusError */
  start(): Promise<void>;
  reload(next: StreamBusConfig): { readonly applied: readonly string[]; readonly needRestart: readonly string[] };
  /** Gives its leads away, answers what was begun, makes checkpoints, ends; at most 20 s. */
  drain(): Promise<{ readonly unfinished: readonly string[] }>;
  /** Ends now. */
  stop(): Promise<void>;
}

/** Puts a broker together; nothing happens before `start`. */
export function createStreamBus(host: Host, config: StreamBusConfig, options: StreamBusOptions = {}): StreamBus {
  return new Broker(host, config, options);
}

class Broker implements StreamBus {
  readonly services: BrokerServices;
  readonly runtime = new LateRuntime();
  readonly metrics: StreamBusMetrics;
  readonly routes: readonly Route[];
  readonly ready: Promise<void>;
  readonly stopped: Promise<void>;
  readonly #host: Host;
  readonly #config: StreamBusConfig;
  readonly #broker: BrokerId;
  readonly #ready = Promise.withResolvers<void>();
  readonly #stopped = Promise.withResolvers<void>();
  readonly #ending = new AbortController();
  readonly #metadata: MetaMachine;
  readonly #transport: Transport;
  readonly #jobs: Jobs;
  readonly #tasks: TaskRegistry;
  readonly #disk: DiskWatch;
  readonly #readOnly: ReadOnly;
  readonly #running: Running;
  #secret: Uint8Array | undefined;
  #lock: DiskFile | undefined;
  #journal: Journal | undefined;
  #kafka: KafkaListener | undefined;
  #isDraining = false;
  #waitsFor: string | undefined;
  #background: Promise<void> = Promise.resolve();

  constructor(host: Host, config: StreamBusConfig, options: StreamBusOptions) {
    this.#host = host;
    this.#config = config;
    this.#broker = brokerIdOf(config);
    this.ready = this.#ready.promise;
    this.stopped = this.#stopped.promise;
    // Whoever runs the broker waits for them; until then a rejection must not end the process by another way.
    this.ready.catch(() => undefined);
    this.stopped.catch(() => undefined);
    this.metrics = createMetrics(host);
    this.#metadata = new MetaMachine(host.telemetry);
    this.#tasks = new TaskRegistry(host.clock);
    this.#jobs = new Jobs(host.clock, host.telemetry.logger);
    this.#transport = new Transport({
      host,
      broker: this.#broker,
      secret: () => this.#secret,
      packs: config.network.compression,
      addressOf: (broker) => this.#addressOf(broker),
      incarnationOf: (broker) => this.#metadata.brokers.get(broker)?.incarnation,
    });
    this.#disk = new DiskWatch(host, config.storage.data_dir, {
      below: () => config.storage.read_only_below,
      onChange: (space) => {
        this.metrics.setDisk(space.freeBytes, space.totalBytes);
        void this.#readOnly.note();
      },
    });
    this.#readOnly = new ReadOnly({
      telemetry: host.telemetry,
      metadata: this.#metadata,
      runtime: this.runtime,
      groups: () => this.#running.groups,
      diskTooFull: () => this.#disk.tooLittle ?? this.#noRoomInJournal,
    });
    this.services = this.#makeServices();
    this.#running = new Running({
      host,
      config,
      broker: this.#broker,
      transport: this.#transport,
      observer: options.observer,
      runtime: this.runtime,
      metadata: this.#metadata,
      metrics: this.metrics,
      services: this.services,
      fatal: (error) => this.#fail(error),
    });
    const admin = this.#adminContext();
    this.metrics.attach(brokerReadings(admin, () => this.#running.machines));
    this.routes = adminRoutes(admin);
    this.#serve();
  }

  get kafka(): KafkaListener | undefined {
    return this.#kafka;
  }

  get metadata(): Metadata {
    return this.#metadata;
  }

  async start(): Promise<void> {
    const host = this.#host;
    const config = this.#config;
    const tooLittle = memoryWarning(host, config);
    if (tooLittle !== undefined) host.telemetry.logger.warn('too little memory', { why: tooLittle });
    this.#lock = await lockDataDirectory(host, config.storage.data_dir);
    try {
      this.#secret = await this.#readSecret();
      const begun = await beginIdentity(host, config, this.#transport);
      await this.#transport.knownStarts.read(host, config.storage.data_dir);
      const { tls } = config.security.inter_broker;
      if (tls !== undefined) this.#transport.tls = await readTls(host.disk, tls);
      const address = { host: config.server.host, port: config.server.rpc_port };
      await this.#transport.listen(address).catch((error: unknown) => {
        throw listenError(error, 'server.rpc_port', address);
      });
      await this.#disk.start();
      this.#background = this.#run(begun).catch((error: unknown) => this.#fail(storeError(error)));
    } catch (error) {
      await this.#release();
      throw storeError(error);
    }
  }

  /** Everything that may take as long as other brokers need. */
  async #run(begun: Parameters<typeof takeStanding>[3]): Promise<void> {
    const { signal } = this.#ending;
    const task = this.#tasks.begin('start', 'streambus/streambus.start', 'process');
    task.state = 'identity';
    const onWait = (why: string | undefined): void => {
      this.#waitsFor = why;
    };
    const { established, journal } = await takeStanding(
      this.#host,
      this.#config,
      this.#transport,
      begun,
      signal,
      onWait,
    );
    this.#journal = journal;
    const lookAgain = (): void => void this.#readOnly.note();
    journal.onLow(lookAgain);
    journal.onState(lookAgain);
    const { clusterId, incarnation, startCount } = established.identity;
    this.#transport.identify({ cluster: clusterId, incarnation, startCount });
    task.state = 'recovery';
    const keeper = await this.#running.open(established, journal);
    // The disk may have been too full from the beginning: only now are there leads not to take.
    void this.#readOnly.groupsOpen();
    task.state = 'registration';
    await registerStart(this.#host, this.#config, this.services.commands, established, signal);
    // The metadata here has this start: what it does not name was deleted.
    keeper.isCurrent = true;
    keeper.look();
    task.state = 'listen';
    const address = { host: this.#config.server.host, port: this.#config.server.port };
    const kafka = await openKafkaListener(this.services, this.metrics).catch((error: unknown) => {
      throw listenError(error, 'server.port', address);
    });
    this.#kafka = kafka;
    task.end();
    if (signal.aborted) await kafka.close();
    this.#ready.resolve();
  }

  reload(next: StreamBusConfig): { readonly applied: readonly string[]; readonly needRestart: readonly string[] } {
    const changes = reloadInto(this.#config, next);
    this.#running.machines?.setCatchUpRate(this.#config.replication.catchup_rate);
    return changes;
  }

  async drain(): Promise<{ readonly unfinished: readonly string[] }> {
    this.#isDraining = true;
    const { clock } = this.#host;
    const unfinished: string[] = [];
    const late = Promise.withResolvers<'late'>();
    const timer: Timer = clock.timer(drainMs, () => late.resolve('late'));
    const orderly = async (): Promise<'done'> => {
      const left = (await this.#running.groups?.handOver(handOverMs)) ?? [];
      // A group of which nobody else is left cannot be given away: it ends with its last replica.
      if (left.length > 0) unfinished.push(`leads of ${left.length} groups`);
      else await this.#guideClients();
      await this.#end(true);
      return 'done';
    };
    const outcome = await Promise.race([orderly(), late.promise]).finally(() => timer.cancel());
    if (outcome === 'late') {
      unfinished.push('close');
      this.#stopped.resolve();
    }
    return { unfinished };
  }

  /** Lets clients find the brokers that lead now, until their time is over or none is connected. */
  async #guideClients(): Promise<void> {
    const { clock } = this.#host;
    const { signal } = this.#ending;
    if (this.#metadata.brokers.size < 2) return;
    const until = clock.now() + guideMs;
    while (!signal.aborted && clock.now() < until && (this.#kafka?.connections ?? 0) > 0) {
      await clock.sleep(guideLookMs, signal).catch(() => undefined);
    }
  }

  async stop(): Promise<void> {
    await this.#end(false);
  }

  #ended: Promise<void> | undefined;

  #end(isOrderly: boolean): Promise<void> {
    this.#ended ??= this.#endOnce(isOrderly);
    return this.#ended;
  }

  async #endOnce(isOrderly: boolean): Promise<void> {
    this.#isDraining = true;
    if (isOrderly) await this.#kafka?.close();
    this.#ending.abort();
    await this.#background;
    if (!isOrderly) await this.#kafka?.close();
    try {
      // What a segment's last sync refuses is not lost: the journal has it, and the next start puts it there again.
      await this.#running.close();
    } catch (error) {
      throw storeError(error);
    } finally {
      await this.#release();
    }
    this.#stopped.resolve();
  }

  async #release(): Promise<void> {
    this.#disk.stop();
    this.#jobs.close();
    await this.#transport.close();
    await this.#journal?.close();
    await this.#lock?.close();
  }

  /** The broker cannot go on: nothing more leaves it, and whoever runs it ends the process. */
  #fail(error: unknown): void {
    if (this.#ending.signal.aborted) return;
    const reason = endingError(error);
    const stack = reason.code === 'DEFECT' && error instanceof Error ? { stack: error.stack } : {};
    this.#host.telemetry.logger.error('broker failed', { code: reason.code, error: reason.message, ...stack });
    this.#ending.abort(reason);
    this.#disk.stop();
    void this.#transport.close();
    const end = (): void => {
      this.#ready.reject(reason);
      this.#stopped.reject(reason);
    };
    if (reason.code !== 'ROLLED_BACK_DISK') {
      end();
      return;
    }
    // What lies there counts no more: the next start must not take it for its own.
    markSuspect(this.#host, this.#config.storage.data_dir, reason.message)
      .catch((failure: unknown) =>
        this.#host.telemetry.logger.error('cannot mark as suspect', { error: messageOf(failure) }),
      )
      .finally(end);
  }

  // Parts that others use.

  #makeServices(): BrokerServices {
    const self = this;
    const commands = createMetaCommands(this.#host, this.#transport, this.#metadata);
    return {
      host: this.#host,
      config: this.#config,
      broker: this.#broker,
      metadata: this.#metadata,
      commands,
      rpc: this.#transport,
      group: (id) => this.runtime.get(id)?.handle,
      get groupIds() {
        return [...self.runtime.all].map(({ spec }) => spec.group);
      },
      leaderOf: (group) => this.runtime.leaderOf(group),
      transferLead: (group, to) => transferLead(this.#transport, this.runtime, group, to),
      partition: (topic, partition) => {
        const group = this.#metadata.topics.get(topic)?.partitions[partition]?.group;
        return group === undefined ? undefined : this.#running.machines?.partitions.get(group);
      },
      get partitions() {
        return self.#running.machines?.partitions.values() ?? [];
      },
      groupCoordinator: (shard) => this.#running.machines?.groupShards.get(shard)?.coordinator,
      transactionCoordinator: (shard) => this.#running.machines?.transactionShards.get(shard)?.coordinator,
      producerIds: createProducerIds(commands),
      connectionFence: createConnectionFence(this.#host),
      get readOnly() {
        return self.#readOnly.reason;
      },
    };
  }

  #serve(): void {
    const commands = () => (this.#running.groups === undefined ? undefined : this.services.commands);
    const { journalEnds, knownStarts: starts } = this.#transport;
    serveRegistrations({
      config: this.#config,
      rpc: this.#transport,
      machine: this.#metadata,
      commands,
      journalEnds,
      starts,
    });
    serveCommands(this.#transport, () => this.runtime.get(metaGroup)?.handle);
    serveTransactions(this.services);
    serveTransfers(this.#transport, this.runtime);
  }

  /** Why the journal's disk has no room for what clients write; undefined: it has, or there is no journal yet. */
  get #noRoomInJournal(): string | undefined {
    const journal = this.#journal;
    if (journal === undefined) return undefined;
    const { low, state } = journal;
    if (low !== undefined) return `the journal keeps its reserve for what the brokers themselves have to write: ${low}`;
    return state === 'read-only' ? `the journal takes no writes: ${journal.status().why}` : undefined;
  }

  get countedBytes(): number {
    return this.#running.countedBytes;
  }

  #adminContext(): AdminContext {
    return {
      services: this.services,
      runtime: this.runtime,
      metrics: this.metrics,
      jobs: this.#jobs,
      slowQueries: () => this.#kafka?.slowLog.entries() ?? [],
      partition: (group) => this.#running.machines?.partitions.get(group),
      setReadOnly: (reason) => this.#readOnly.setOperator(reason),
      ownReadOnly: () => this.#readOnly.own,
      isDraining: () => this.#isDraining,
      isListening: () => this.#kafka !== undefined && !this.#isDraining,
      waitsFor: () => this.#waitsFor,
      disk: () => this.#disk.space,
      connections: () => this.#kafka?.connections ?? 0,
      memory: () => readMemory(this.#host, this.#config, this.countedBytes),
      tasks: () => [
        ...this.#tasks.list(),
        ...standingTasks(this.runtime, this.#metadata, this.#jobs, this.#host.clock.wall()),
        ...(this.#kafka?.tasks() ?? []),
      ],
    };
  }

  #addressOf(broker: BrokerId): { readonly host: string; readonly port: number } | undefined {
    const known = this.#metadata.brokers.get(broker);
    if (known !== undefined && known.storage !== '') return known.rpc;
    return peersOf(this.#config).find((peer) => peer.broker === broker) ?? known?.rpc;
  }

  async #readSecret(): Promise<Uint8Array | undefined> {
    const path = this.#config.security.inter_broker.secret_file;
    if (path === undefined) return undefined;
    const secret = await readSmallFile(this.#host.disk, path);
    if (secret === undefined || secret.length === 0) {
      throw new StreamBusError('CONFIG_INVALID', `security.inter_broker.secret_file: ${path} is missing or empty`);
    }
    return secret;
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
