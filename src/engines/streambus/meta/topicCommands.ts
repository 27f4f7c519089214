import { type BrokerId, raftIdOf } from '../ids.ts';
import { Load, place } from './assign.ts';
import type {
  CreatePartitions,
  CreateTopics,
  DeleteTopics,
  MetaResults,
  NewTopic,
  Outcome,
  TopicOutcome,
} from './commands.ts';
import { bytesOfHex, hexOf } from './json.ts';
import type { PartitionInfo, TopicInfo } from './metadata.ts';
import { type MetaState, maxReplicasPerBroker } from './model.ts';
import { done, MetaCode, refusal } from './outcomes.ts';
import { refuseSetting } from './topicSettings.ts';

const maxPartitions = 10_000;
const maxNameLength = 249;

/** Why a topic cannot have this name; undefined when it can. Kafka's rule: dots and underscores may not be told apart in metrics. */
export function refuseName(name: string): string | undefined {
  if (name.length === 0 || name.length > maxNameLength) {
    return `expected a name of 1 to ${maxNameLength} characters, got ${name.length}`;
  }
  if (name === '.' || name === '..') return `a topic cannot be called ${JSON.stringify(name)}`;
  if (!/^[A-Za-z0-9._-]+$/.test(name)) {
    return `expected letters of ASCII, digits, dots, dashes and underscores, got ${JSON.stringify(name)}`;
  }
  return undefined;
}

/** Creates topics, each one by itself: some may be refused and others made. */
export function createTopics(state: MetaState, command: CreateTopics): MetaResults['create-topics'] {
  const load = loadOf(state);
  const twice = duplicates(command.topics.map(({ name }) => name));
  return command.topics.map((topic): TopicOutcome => {
    const outcome = twice.has(topic.name)
      ? refusal(MetaCode.invalidRequest, `the request names ${topic.name} more than once`)
      : createTopic(state, topic, command, load);
    if (!('partitions' in outcome))
      return { ...outcome, name: topic.name, id: topic.id, partitions: -1, replication: -1 };
    if (!command.validateOnly) state.setTopic(outcome);
    return {
      ...done,
      name: topic.name,
      id: topic.id,
      partitions: outcome.partitions.length,
      replication: outcome.partitions[0]?.replicas.length ?? -1,
    };
  });
}

function createTopic(state: MetaState, topic: NewTopic, command: CreateTopics, load: Load): TopicInfo | Outcome {
  const badName = refuseName(topic.name);
  if (badName !== undefined) return refusal(MetaCode.invalidTopic, badName);
  if (state.topics.has(topic.name)) return refusal(MetaCode.topicExists, `topic ${topic.name} exists`);
  const clash = collision(state, topic.name);
  if (clash !== undefined) {
    return refusal(MetaCode.invalidTopic, `topic ${topic.name} would share the names of its metrics with ${clash}`);
  }
  const badSettings = Object.entries(topic.configs).flatMap(([name, value]) => refuseSetting(name, value) ?? []);
  if (badSettings.length > 0) return refusal(MetaCode.invalidConfig, badSettings.join('; '));
  const placed = placeTopic(state, topic, command.defaults, load);
  if (!Array.isArray(placed)) return placed;
  return {
    name: topic.name,
    id: bytesOfHex(topic.id),
    createdWall: command.createdWall,
    configs: new Map(Object.entries(topic.configs)),
    partitions: beginPartitions(state, topic.name, 0, placed, command.validateOnly),
  };
}

function placeTopic(
  state: MetaState,
  topic: NewTopic,
  defaults: CreateTopics['defaults'],
  load: Load,
): BrokerId[][] | Outcome {
  if (topic.assignment !== undefined) {
    if (topic.partitions !== -1 || topic.replication !== -1) {
      return refusal(MetaCode.invalidRequest, 'expected either an assignment or counts, got both');
    }
    return checkAssignment(state, topic.assignment, undefined);
  }
  const count = topic.partitions === -1 ? defaults.partitions : topic.partitions;
  if (count < 1 || count > maxPartitions) {
    return refusal(MetaCode.invalidPartitions, `expected 1 to ${maxPartitions} partitions, got ${count}`);
  }
  const brokers = placeable(state);
  // What is not said follows the size of the cluster: a topic made by default on one broker must work.
  const replication = topic.replication === -1 ? Math.min(defaults.replication, brokers.length) : topic.replication;
  if (replication < 1 || replication > brokers.length) {
    return refusal(
      MetaCode.invalidReplicationFactor,
      `expected a replication from 1 to the number of brokers, ${brokers.length}, got ${topic.replication}`,
    );
  }
  return placeAll(state, count, replication, load);
}

function placeAll(state: MetaState, count: number, replication: number, load: Load): BrokerId[][] | Outcome {
  const brokers = placeable(state);
  const room = brokers.reduce((sum, { broker }) => sum + Math.max(0, maxReplicasPerBroker - load.replicas(broker)), 0);
  const result: BrokerId[][] = [];
  while (result.length < count) {
    const free = brokers.filter(({ broker }) => load.replicas(broker) < maxReplicasPerBroker);
    const replicas = place(free, replication, load);
    if (replicas === undefined) {
      return refusal(
        MetaCode.invalidPartitions,
        `${count} partitions of ${replication} replicas are more than the brokers may hold: ${maxReplicasPerBroker} each, ${room} left in all`,
      );
    }
    result.push(replicas);
  }
  return result;
}

function checkAssignment(
  state: MetaState,
  assignment: readonly (readonly BrokerId[])[],
  replication: number | undefined,
): BrokerId[][] | Outcome {
  const wanted = replication ?? assignment[0]?.length ?? 0;
  if (assignment.length === 0 || assignment.length > maxPartitions) {
    return refusal(MetaCode.invalidPartitions, `expected 1 to ${maxPartitions} partitions, got ${assignment.length}`);
  }
  for (const [partition, replicas] of assignment.entries()) {
    const wrong =
      replicas.length === 0 || replicas.length !== wanted
        ? `expected ${Math.max(1, wanted)} replicas as the others have, got ${replicas.length}`
        : new Set(replicas).size !== replicas.length
          ? 'a broker is named twice'
          : replicas.find((broker) => !isPlaceable(state, broker));
    if (wrong === undefined) continue;
    const why = typeof wrong === 'number' ? `broker ${wrong} is not in the cluster` : wrong;
    return refusal(MetaCode.invalidReplicaAssignment, `partition ${partition}: ${why}`);
  }
  return assignment.map((replicas) => [...replicas]);
}

/** Deletes topics. Their groups end; a topic of the same name made later has other groups and another id. */
export function deleteTopics(state: MetaState, command: DeleteTopics): MetaResults['delete-topics'] {
  return command.topics.map(({ name, id }): TopicOutcome => {
    const found = state.topics.get(name ?? state.topicNames.get(id ?? '') ?? '');
    if (found === undefined) {
      const outcome =
        name === undefined
          ? refusal(MetaCode.unknownTopicId, `no topic has the id ${id ?? ''}`)
          : refusal(MetaCode.unknownTopic, `there is no topic ${name}`);
      return { ...outcome, name: name ?? '', id: id ?? '', partitions: -1, replication: -1 };
    }
    state.removeTopic(found);
    return {
      ...done,
      name: found.name,
      id: hexOf(found.id),
      partitions: found.partitions.length,
      replication: found.partitions[0]?.replicas.length ?? -1,
    };
  });
}

/** Gives topics more partitions; there are never fewer. */
export function createPartitions(state: MetaState, command: CreatePartitions): MetaResults['create-partitions'] {
  const load = loadOf(state);
  const twice = duplicates(command.topics.map(({ name }) => name));
  return command.topics.map(({ name, count, assignment }) => {
    if (twice.has(name)) {
      return { name, ...refusal(MetaCode.invalidRequest, `the request names ${name} more than once`) };
    }
    const topic = state.topics.get(name);
    if (topic === undefined) return { name, ...refusal(MetaCode.unknownTopic, `there is no topic ${name}`) };
    const more = count - topic.partitions.length;
    if (more < 1 || count > maxPartitions) {
      const why = `expected ${topic.partitions.length + 1} to ${maxPartitions} partitions, got ${count}`;
      return { name, ...refusal(MetaCode.invalidPartitions, why) };
    }
    if (assignment !== undefined && assignment.length !== more) {
      const why = `expected replicas of the ${more} new partitions, got ${assignment.length}`;
      return { name, ...refusal(MetaCode.invalidReplicaAssignment, why) };
    }
    const replication = topic.partitions[0]?.replicas.length ?? 1;
    const placed =
      assignment === undefined
        ? placeAll(state, more, replication, load)
        : checkAssignment(state, assignment, replication);
    if (!Array.isArray(placed)) return { name, ...placed };
    const added = beginPartitions(state, name, topic.partitions.length, placed, command.validateOnly);
    if (!command.validateOnly) state.setTopic({ ...topic, partitions: [...topic.partitions, ...added] });
    return { name, ...done };
  });
}

function beginPartitions(
  state: MetaState,
  topic: string,
  from: number,
  placed: readonly (readonly BrokerId[])[],
  validateOnly: boolean,
): PartitionInfo[] {
  const first = state.nextGroup;
  if (!validateOnly) state.nextGroup += placed.length;
  return placed.map((replicas, at) => ({
    topic,
    partition: from + at,
    group: first + at,
    generation: 1,
    replicas,
    founders: replicas
      .flatMap((broker) => {
        const info = state.brokers.get(broker);
        return info === undefined ? [] : raftIdOf(broker, info.incarnation);
      })
      .sort((left, right) => left - right),
  }));
}

function loadOf(state: MetaState): Load {
  const load = new Load();
  for (const partition of state.partitions.values()) load.add(partition.replicas);
  return load;
}

function placeable(state: MetaState) {
  return [...state.brokers.values()].filter(({ broker }) => isPlaceable(state, broker));
}

function isPlaceable(state: MetaState, broker: BrokerId): boolean {
  return state.brokers.get(broker)?.state === 'active';
}

function collision(state: MetaState, name: string): string | undefined {
  if (!/[._]/.test(name)) return undefined;
  const folded = name.replaceAll('.', '_');
  for (const other of state.topics.keys()) {
    if (other.length === name.length && other.replaceAll('.', '_') === folded) return other;
  }
  return undefined;
}

function duplicates(names: readonly string[]): ReadonlySet<string> {
  return new Set(names.filter((name, at) => names.indexOf(name) !== at));
}
