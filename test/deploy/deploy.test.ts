import { spawnSync } from 'node:child_process';
import { existsSync, globSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { ExitCode } from '../../src/engines/engine.ts';
import { hotfireCallsOf, parseCommandLine } from '../support/commandLine.ts';
import { containersOf, type Manifest, manifestSchema } from '../support/kubernetes.ts';

const root = resolve(import.meta.dirname, '../..');
const image = `hotfire:${JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).version}`;

function manifestsOf(file: string): Manifest[] {
  const documents = parseAllDocuments(readFileSync(join(root, file), 'utf8'));
  return documents.map((document) => {
    expect(document.errors).toEqual([]);
    return manifestSchema.parse(document.toJS());
  });
}

const campaigns = ['deploy/kubernetes/campaign.yaml', 'deploy/kubernetes/chaos-shards.yaml'];
const files = globSync('deploy/kubernetes/*.yaml', { cwd: root }).sort();

describe('the manifests', () => {
  it('should be those that the documentation names', () => {
    expect(files).toEqual([...campaigns, 'deploy/kubernetes/indexbus.yaml']);
  });

  it.each(files)('%s should refer to what it has, and to the image of this version', (file) => {
    const manifests = manifestsOf(file);
    const claims = manifests
      .filter(({ kind }) => kind === 'PersistentVolumeClaim')
      .map(({ metadata }) => metadata.name);
    const configs = manifests.filter(({ kind }) => kind === 'ConfigMap').map(({ metadata }) => metadata.name);
    for (const manifest of manifests) {
      if (!('spec' in manifest) || !('template' in manifest.spec)) continue;
      const { template } = manifest.spec;
      const volumes = (template.spec.volumes ?? []).map((volume) => {
        if ('persistentVolumeClaim' in volume) expect(claims).toContain(volume.persistentVolumeClaim.claimName);
        if ('configMap' in volume) expect(configs).toContain(volume.configMap.name);
        return volume.name;
      });
      if ('volumeClaimTemplates' in manifest.spec)
        volumes.push(...manifest.spec.volumeClaimTemplates.map(({ metadata }) => metadata.name));
      for (const { volumeMounts } of containersOf(manifest))
        for (const { name } of volumeMounts ?? []) expect(volumes).toContain(name);
      if ('selector' in manifest.spec)
        expect(template.metadata?.labels).toMatchObject(manifest.spec.selector.matchLabels);
    }
    const images = manifests.flatMap(containersOf).map((container) => container.image);
    expect(new Set(images.filter((name) => name.startsWith('hotfire:')))).toEqual(new Set([image]));
  });

  it('should give every seed to one of the shards', async () => {
    const job = manifestsOf('deploy/kubernetes/chaos-shards.yaml').find(({ kind }) => kind === 'Job');
    if (job?.kind !== 'Job') throw new Error('expected a Job');
    const [container] = containersOf(job);
    expect(container?.command).toEqual(['sh', '-c']);
    const shards: string[] = [];
    for (let index = 0; index < (job.spec.completions ?? 0); index++) {
      const calls = hotfireCallsOf(container?.args[0] ?? '', { JOB_COMPLETION_INDEX: `${index}` });
      expect(calls.length).toBe(1);
      const [words = []] = calls;
      await parseCommandLine(words);
      shards.push(words[words.indexOf('--shard') + 1] ?? '');
      expect(words[words.indexOf('--json') + 1]).toBe(`reports/shard-${index}.json`);
    }
    expect(shards).toEqual(Array.from({ length: 8 }, (_, index) => `${index + 1}/8`));
  });

  it('should have a coordinator and workers of one campaign, on the Redis beside them', async () => {
    const manifests = manifestsOf('deploy/kubernetes/campaign.yaml');
    const containers = manifests.flatMap(containersOf).filter((each) => each.image === image);
    expect(containers.map(({ args }) => args.slice(0, 2))).toEqual([
      ['campaign', 'run'],
      ['campaign', 'work'],
    ]);
    for (const { args, env } of containers) {
      await parseCommandLine(args);
      expect(args).toContain('--name=nightly');
      const url = env?.find(({ name }) => name === 'HOTFIRE_REDIS_URL');
      expect(url).toEqual({ name: 'HOTFIRE_REDIS_URL', value: 'redis://hotfire-redis:6379' });
    }
    expect(manifests.some(({ kind, metadata }) => kind === 'Service' && metadata.name === 'hotfire-redis')).toBe(true);
  });

  it.each(campaigns)(
    '%s should end with what another try would not change: a finding, or a defect of the stand',
    (file) => {
      const rules = manifestsOf(file).flatMap((manifest) =>
        manifest.kind === 'Job' ? (manifest.spec.podFailurePolicy?.rules ?? []) : [],
      );
      const codes = rules.flatMap((rule) => ('onExitCodes' in rule ? [rule.onExitCodes?.values] : []));
      const { usage, software, configuration } = ExitCode;
      expect(codes).toEqual([[1, 2, usage, software, configuration]]);
    },
  );

  it('should fail when an option is misspelt', async () => {
    await expect(parseCommandLine(['campaign', 'work', '--job=2'])).rejects.toThrow(/--job/);
  });
});

it('should build the image from what there is, with the bin of the package', () => {
  const text = readFileSync(join(root, 'deploy/Dockerfile'), 'utf8');
  const copied = [...text.matchAll(/^COPY (?!--from)(.*) \S+$/gm)].flatMap(([, names = '']) => names.split(' '));
  const sources = ['package.json', 'package-lock.json', 'tsconfig.json', 'build', 'native', 'src'];
  expect(copied).toEqual([...sources, 'alerts', 'scenarios']);
  for (const name of copied) expect(existsSync(join(root, name)), name).toBe(true);
  const { bin } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  expect(text).toContain(`ln -s ${join('/hotfire', bin.hotfire)} /usr/local/bin/hotfire`);
  // Without a commit workers and coordinator could not tell one build from another.
  const check = /^RUN (test -n .*)$/m.exec(text)?.[1] ?? '';
  for (const [COMMIT, status] of [
    ['', 1],
    ['abc', 0],
  ] as const)
    expect(spawnSync('sh', ['-c', check], { env: { ...process.env, COMMIT } }).status).toBe(status);
  expect(text.indexOf(check)).toBeGreaterThan(text.indexOf('ARG COMMIT'));
  expect(text).toContain('ENTRYPOINT ["/usr/local/bin/hotfire"]');
});
