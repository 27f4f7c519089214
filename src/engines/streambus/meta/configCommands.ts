import type { AlterConfigs, MetaResults, Outcome } from './commands.ts';
import type { MetaState } from './model.ts';
import { done, MetaCode, refusal } from './outcomes.ts';
import { refuseSetting, topicSettings } from './topicSettings.ts';

type Resource = AlterConfigs['resources'][number];

/** Alters the settings of topics, each resource as a whole or not at all. */
export function alterConfigs(state: MetaState, command: AlterConfigs): MetaResults['alter-configs'] {
  return command.resources.map((resource) => ({
    type: resource.type,
    name: resource.name,
    ...alter(state, resource, command.validateOnly),
  }));
}

function alter(state: MetaState, resource: Resource, validateOnly: boolean): Outcome {
  if (resource.type === 'broker') {
    return refusal(
      MetaCode.invalidRequest,
      'settings of a broker come from its configuration file; change it and send SIGHUP',
    );
  }
  const topic = state.topics.get(resource.name);
  if (topic === undefined) return refusal(MetaCode.unknownTopic, `there is no topic ${resource.name}`);
  const names = resource.changes.map(({ name }) => name);
  const twice = names.find((name, at) => names.indexOf(name) !== at);
  if (twice !== undefined) return refusal(MetaCode.invalidRequest, `${twice} is changed more than once`);
  const next = new Map(resource.mode === 'replace' ? [] : topic.configs);
  for (const change of resource.changes) {
    const why = applyChange(next, change);
    if (why !== undefined) return refusal(MetaCode.invalidConfig, why);
  }
  if (!validateOnly) state.setTopic({ ...topic, configs: next });
  return done;
}

/** Why a change cannot be made; undefined when it was. */
function applyChange(configs: Map<string, string>, change: Resource['changes'][number]): string | undefined {
  const { name, operation, value } = change;
  const setting = topicSettings.get(name);
  if (setting === undefined) return refuseSetting(name, '');
  if (operation === 'delete') {
    configs.delete(name);
    return undefined;
  }
  if (value === undefined) return `${name}: expected a value, got none`;
  if (operation === 'set') {
    configs.set(name, value);
    return refuseSetting(name, value);
  }
  if (setting.kind !== 'list') return `${name} is no list: nothing can be appended to it or taken from it`;
  const before = (configs.get(name) ?? 'delete').split(',').filter((item) => item !== '');
  const given = value.split(',').map((item) => item.trim());
  const after =
    operation === 'append' ? [...new Set([...before, ...given])] : before.filter((item) => !given.includes(item));
  configs.set(name, after.join(','));
  return refuseSetting(name, after.join(','));
}
