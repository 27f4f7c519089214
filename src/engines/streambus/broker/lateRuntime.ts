import type { BrokerId, GroupId } from '../ids.ts';
import type { Leadership } from './gossip.ts';
import { type MachineCheckpoint, NotProposed } from './group.ts';
import type { Groups } from './groups.ts';
import type { DesiredMembers, GroupSpec, GroupsRuntime, GroupView, OpenGroup } from './runtime.ts';

/** The groups of a broker that may not have any yet: until they run, there are none. */
export class LateRuntime implements GroupsRuntime {
  #groups: Groups | undefined;
  readonly #listeners = new Set<(group: GroupId) => void>();
  #desired: (group: GroupId) => DesiredMembers | undefined = () => undefined;

  /** They run from now on. */
  begin(groups: Groups): void {
    this.#groups = groups;
    groups.desired = (group) => this.#desired(group);
    groups.onLeader((group) => {
      for (const fn of this.#listeners) fn(group);
    });
  }

  get groups(): Groups | undefined {
    return this.#groups;
  }

  get incarnation(): number {
    return this.#groups?.incarnation ?? 0;
  }

  get desired(): (group: GroupId) => DesiredMembers | undefined {
    return this.#desired;
  }

  set desired(fn: (group: GroupId) => DesiredMembers | undefined) {
    this.#desired = fn;
  }

  open(spec: GroupSpec): Promise<OpenGroup> {
    return this.#running().open(spec);
  }

  async remove(group: GroupId): Promise<void> {
    await this.#groups?.remove(group);
  }

  get(group: GroupId): OpenGroup | undefined {
    return this.#groups?.get(group);
  }

  get all(): Iterable<OpenGroup> {
    return this.#groups?.all ?? [];
  }

  view(group: GroupId): GroupView | undefined {
    return this.#groups?.view(group);
  }

  leaderOf(group: GroupId): Leadership | undefined {
    return this.#groups?.leaderOf(group);
  }

  onLeader(fn: (group: GroupId) => void): () => void {
    this.#listeners.add(fn);
    return () => this.#listeners.delete(fn);
  }

  campaign(group: GroupId): void {
    this.#running().campaign(group);
  }

  async transfer(group: GroupId, to: BrokerId): Promise<void> {
    await this.#running().transfer(group, to);
  }

  async checkpoint(group: GroupId): Promise<MachineCheckpoint> {
    return this.#running().checkpoint(group);
  }

  async handOver(withinMs: number): Promise<readonly GroupId[]> {
    return (await this.#groups?.handOver(withinMs)) ?? [];
  }

  resume(): void {
    this.#groups?.resume();
  }

  async close(): Promise<void> {
    await this.#groups?.close();
  }

  #running(): Groups {
    if (this.#groups === undefined) throw new NotProposed('not-leader', 'this broker does not run its groups yet');
    return this.#groups;
  }
}
