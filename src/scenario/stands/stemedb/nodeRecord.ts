import type { Operation } from '../../../checkers/history.ts';
import type { JournalImage, StemeEvidence } from '../../../checkers/stemedb/evidence.ts';
import { type StemeConfig, stemeConfigSchema, witnessDirectory } from '../../../engines/stemedb/config.ts';
import type { RunningStemeDb } from '../../../engines/stemedb/engine.ts';
import type { Host } from '../../../host/host.ts';
import type { World } from '../../../sim/world.ts';
import type { NodeState } from '../../nodeState.ts';
import type { NodeExit, RunFacts } from '../stand.ts';
import { layOutDisks, type MachineDisks, peekDirectory, type StemeDevices } from './devices.ts';
import { EvidenceLog, settingsOf } from './evidenceLog.ts';
import { askIndex } from './indexQuestions.ts';
import { readSegmentHeader } from './journalFormat.ts';
import { type FileSeen, readJournalImage } from './journalImage.ts';
import { startNeighbours } from './neighbours.ts';
import { readState } from './stateSamples.ts';
import { type WatchedDisk, watchDisk } from './watchedDisk.ts';
import { watchRequests } from './watchedEngine.ts';

/** How often the process is looked at from outside, in virtual milliseconds. */
const sampleEveryMs = 500;
/** Name of the journal in its witness's ring. */
const ringFile = /\.ring$/;
/** The spare and what recovery put aside are no part of the log. */
const segmentFile = /^segment-\d+\.wal$/;

/** What one node is made of. */
export interface NodeRecordOptions {
  readonly world: World;
  readonly node: string;
  readonly devices: StemeDevices;
  /** The configuration file; a verb may edit it. */
  readonly document: Record<string, unknown>;
  /** The next number of the run's one order, over all nodes. */
  readonly order: () => number;
  /** How the last process of the node ended of its own accord. */
  readonly lastExit: () => NodeExit | undefined;
}

/** One machine of the stand: its disks, its processes one after the other, and all that is written down of them. */
export class NodeRecord {
  readonly document: Record<string, unknown>;
  readonly disks: MachineDisks;
  readonly #options: NodeRecordOptions;
  readonly #log: EvidenceLog;
  #config: StemeConfig | undefined;
  #host: Host | undefined;
  #disk: WatchedDisk | undefined;
  #running: RunningStemeDb | undefined;

  constructor(options: NodeRecordOptions) {
    const { world, node, devices } = options;
    this.#options = options;
    this.#log = new EvidenceLog(node, options.order);
    this.document = options.document;
    this.disks = layOutDisks(world.addMachine(node), devices);
    const { wal, store } = this.disks;
    for (const device of new Set([wal, store])) {
      device.observe((event) => {
        if (event.kind === 'power-loss' && device === wal) {
          this.#log.powerLosses.push({ atMs: world.now, order: options.order() });
        }
      });
    }
    for (const role of ['wal', 'store'] as const) {
      const reads = devices[role]['other reads'];
      if (reads !== undefined) startNeighbours(world, this.disks[role], reads);
    }
  }

  /** The configuration of the present process; before the first start, of the file. */
  get config(): StemeConfig {
    return this.#config ?? stemeConfigSchema.parse(this.document);
  }

  /** What the engine does now; `starting` before it serves. */
  get condition(): string {
    return this.#running?.db.condition() ?? 'starting';
  }

  /** The host of a new process, with a disk and routes that are written down. */
  decorate(host: Host): Host {
    const { world, order } = this.#options;
    const { incarnation } = host;
    this.#config = stemeConfigSchema.parse(this.document);
    const files = this.#logFiles();
    const directory = this.config.wal.dir;
    this.#log.began(
      {
        incarnation,
        device: this.disks.table.deviceAt(directory).name,
        found: this.#image(files),
        indexedLsn: this.#indexedLsn(),
        logBytes: files.reduce((sum, file) => sum + file.bytes.length, 0),
        settings: settingsOf(this.config),
      },
      world.now,
    );
    this.#host = host;
    this.#disk = watchDisk(host.disk, incarnation, {
      now: () => world.now,
      order,
      began: (call) => void this.#log.disk.push(call),
      walDirectory: directory,
      salts: this.#salts(files),
    });
    const decorated: Host = { ...host, disk: this.#disk };
    watchRequests(decorated, {
      now: () => world.now,
      order,
      arrived: (request) => void this.#log.requests.push(request),
      started: (running) => {
        this.#running = running as RunningStemeDb; // the stand's engine is stemedb; watching only adds to it
        this.#served(incarnation);
      },
    });
    return decorated;
  }

  /** The node's process has come, served, or gone. */
  changed(state: NodeState): void {
    const life = this.#host === undefined ? undefined : this.#log.lifeOf(this.#host.incarnation);
    if (life === undefined || life.end !== 'running') return;
    const { world, order, lastExit } = this.#options;
    if (state === 'stopping') life.stopAskedAtMs = world.now;
    if (state !== 'crashed' && state !== 'stopped' && state !== 'exited') return;
    life.end = state;
    life.endedAtMs = world.now;
    life.endedOrder = order();
    const exit = lastExit();
    if (state === 'exited' && exit !== undefined) {
      life.exit = { code: exit.code, name: exit.name, message: exit.message };
      // A start may take long: what it refused is the log as it had become, not as it was when the process began.
      if (life.recovered === undefined) life.left = this.#image();
    }
    this.#running = undefined;
  }

  /** Why the node has not come to rest; undefined when it has. */
  async unrest(): Promise<string | undefined> {
    const { node } = this.#options;
    const state = this.#host === undefined ? {} : await readState(this.#host.telemetry.registry);
    if (state.walState !== 'open') return `the journal of ${node} is ${state.walState ?? 'unknown'}`;
    if ((state.pendingBytes ?? 0) > 0) return `${node} has ${state.pendingBytes} bytes pending`;
    return undefined;
  }

  /** Looks at the node once more at the end of the run: its index, its gauges, its log. */
  async lookAtLast(history: readonly Operation[]): Promise<void> {
    const { node, world, order } = this.#options;
    const host = this.#host;
    const life = host === undefined ? undefined : this.#log.lifeOf(host.incarnation);
    const running = this.#running;
    if (host === undefined || life?.end !== 'running' || running === undefined) return;
    const own = history.filter((operation) => operation.node === node);
    const where = { node, incarnation: host.incarnation, world, order };
    this.#log.index.push(...(await askIndex(running, own, where)));
    await this.#sample(host.incarnation);
    life.left = this.#image();
  }

  /** What the checks look at. */
  evidence(
    firedFaultPoints: readonly string[],
    history: readonly Operation[],
    run: RunFacts,
    nodes: readonly string[],
  ): StemeEvidence {
    const { now: endedAtMs } = this.#options.world;
    return this.#log.evidence(settingsOf(this.config), firedFaultPoints, history, { ...run, nodes, endedAtMs });
  }

  /** Files of the log as a process would read them now. */
  #logFiles(): FileSeen[] {
    return peekDirectory(this.disks.table, this.config.wal.dir, segmentFile);
  }

  /** What these files of the log hold, with the witness as it is now. */
  #image(files: readonly FileSeen[] = this.#logFiles()): JournalImage {
    const [ring] = peekDirectory(this.disks.table, witnessDirectory(this.config), ringFile);
    return readJournalImage(files, ring?.bytes, { atMs: this.#options.world.now, order: this.#options.order() });
  }

  /** Salts of the segments that are there, for the reading of batches that are added to them. */
  #salts(files: readonly FileSeen[]): Map<string, number> {
    return new Map(
      files.flatMap(({ name, bytes }) => {
        const header = readSegmentHeader(bytes);
        return header === undefined ? [] : [[`${this.config.wal.dir}/${name}`, header.recordSalt] as const];
      }),
    );
  }

  /** Last LSN of the index on disk, by its manifest; 0 without one. */
  #indexedLsn(): number {
    const [manifest] = peekDirectory(this.disks.table, `${this.config.store.dir}/index`, /^MANIFEST$/);
    if (manifest === undefined) return 0;
    try {
      const { parts } = JSON.parse(Buffer.from(manifest.bytes).toString('utf8')) as { parts: { last: number }[] }; // its format
      return parts.at(-1)?.last ?? 0;
    } catch {
      return 0;
    }
  }

  /** Recovery is over: what the log holds now is what this process has. */
  #served(incarnation: number): void {
    const life = this.#log.lifeOf(incarnation);
    if (life === undefined) return;
    life.servedAtMs = this.#options.world.now;
    life.servedOrder = this.#options.order();
    life.recovered = this.#image();
    this.#scheduleSample(incarnation);
  }

  #scheduleSample(incarnation: number): void {
    this.#options.world.scheduler.after(sampleEveryMs, 'sample', undefined, () => {
      const life = this.#log.lifeOf(incarnation);
      if (life === undefined || life.end !== 'running') return;
      void this.#sample(incarnation);
      this.#scheduleSample(incarnation);
    });
  }

  /** Counters are read at one moment: all of them settle before the next event. */
  async #sample(incarnation: number): Promise<void> {
    const host = this.#host;
    if (host === undefined || host.incarnation !== incarnation) return;
    const { world, node } = this.#options;
    const atMs = world.now;
    const order = this.#options.order();
    // Space as it is, not as the process last saw it: its gauge is read every few seconds.
    const { freeBytes, freeInodes } = this.disks.table.deviceAt(this.config.wal.dir).usage();
    // Before the await: all of a sample is of one moment.
    const within = { openFiles: this.#disk?.openFiles() ?? [], activities: this.#running?.db.activities() ?? [] };
    const fields = await readState(host.telemetry.registry);
    this.#log.samples.push({ ...fields, ...within, freeBytes, freeInodes, atMs, order, node, incarnation });
  }
}
