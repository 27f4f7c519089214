import type { RunningStreamBus } from '../../../engines/streambus/engine.ts';
import type { Host } from '../../../host/host.ts';
import type { Machine } from '../../../sim/machine.ts';
import type { World } from '../../../sim/world.ts';
import type { NodeState } from '../../nodeState.ts';
import { layOutDisks, type MachineDisks, type StreamBusDevices } from './devices.ts';
import type { GroupFeed } from './groupFeed.ts';
import type { JournalRecord } from './journalBytes.ts';
import { watchMedia } from './mediaWatch.ts';
import { watchProcess } from './watchedEngine.ts';

export interface NodeRecordOptions {
  readonly world: World;
  readonly node: string;
  readonly devices: StreamBusDevices;
  /** The configuration file; a verb may edit it. */
  readonly document: Record<string, unknown>;
  readonly feed: GroupFeed;
  /** The group of a partition, as far as known. */
  readonly groupOf: (key: string) => number | undefined;
}

/** Memory of a broker that has nothing to do yet. */
const processBytes = 120 * 2 ** 20;

/** One machine of the stand: its disk, its processes one after the other, and what they tell of their groups. */
export class NodeRecord {
  readonly node: string;
  readonly document: Record<string, unknown>;
  readonly disks: MachineDisks;
  readonly #options: NodeRecordOptions;
  readonly #machine: Machine;
  /** Member of the groups that the present process is; undefined until it has opened one. */
  #member: number | undefined;
  #lastMember: number | undefined;
  /**
   * What became durable before it was known who wrote it: also what a killed process had left in the page cache, be it that the next one
   * dies before it has opened a group.
   */
  #early: { readonly file: number; readonly records: readonly JournalRecord[] }[] = [];
  #running: RunningStreamBus | undefined;
  #host: Host | undefined;
  #state: NodeState = 'stopped';

  constructor(options: NodeRecordOptions) {
    const { world, node, devices, feed } = options;
    this.#options = options;
    this.node = node;
    this.document = options.document;
    this.#machine = world.addMachine(node);
    this.disks = layOutDisks(this.#machine, devices);
    watchMedia(this.disks.data, {
      durable: (records, file) => {
        if (this.#member === undefined) this.#early.push({ file, records });
        else feed.stored(this.#member, records);
      },
      // A journal that goes before its process has opened a group was another incarnation's: this one writes its own. It goes file by file;
      // what lies in other files stays: a start removes such as are not needed any more, too.
      removed: (file) => {
        this.#early = this.#early.filter((one) => one.file !== file);
      },
      lost: (why) => this.forget(why),
    });
  }

  get running(): RunningStreamBus | undefined {
    return this.#running;
  }

  get host(): Host | undefined {
    return this.#host;
  }

  get state(): NodeState {
    return this.#state;
  }

  /** The host of a new process, whose groups are watched. */
  decorate(host: Host): Host {
    const { feed } = this.#options;
    this.#member = undefined;
    this.#host = host;
    const decorated: Host = { ...host };
    watchProcess(decorated, {
      observer: feed.observer((member) => this.#opened(member)),
      started: (running) => {
        this.#running = running;
        const { process } = this.#machine;
        if (process !== undefined) process.memoryBytes = () => processBytes + running.bus.countedBytes;
      },
    });
    return decorated;
  }

  changed(state: NodeState): void {
    this.#state = state;
    if (state !== 'crashed' && state !== 'stopped' && state !== 'exited') return;
    this.#running = undefined;
    if (this.#member !== undefined) this.#options.feed.gone(this.#member);
    this.#lastMember = this.#member ?? this.#lastMember;
    this.#member = undefined;
  }

  /** Nothing that this machine had stored counts any more: its disk was wiped, set back, or cleared by hand. */
  forget(why: string): void {
    this.#early = [];
    const member = this.#member ?? this.#lastMember;
    if (member !== undefined) this.#options.feed.forgotten(member, why);
  }

  /** The records of one partition were cleared by hand. */
  forgetPartition(key: string, why: string): void {
    const member = this.#member ?? this.#lastMember;
    const group = this.#options.groupOf(key);
    if (member !== undefined && group !== undefined) this.#options.feed.logForgotten(member, group, why);
  }

  #opened(member: number): void {
    if (this.#member === member) return;
    if (this.#member !== undefined) {
      throw new Error(`${this.node}: one process opened groups as ${this.#member} and as ${member}`);
    }
    this.#member = member;
    const early = this.#early.flatMap(({ records }) => records);
    this.#early = [];
    this.#options.feed.stored(member, early);
  }

  /** Member of its groups that the present process is; undefined until it has opened one. */
  get member(): number | undefined {
    return this.#member;
  }
}
