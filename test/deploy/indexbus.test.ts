import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse, parseAllDocuments } from 'yaml';
import { ExitCode } from '../../src/engines/engine.ts';
import { indexbusConfigSchema, parseAddress } from '../../src/engines/indexbus/config.ts';
import { segmentBytes } from '../../src/engines/indexbus/layout.ts';
import { parsePromql } from '../../src/scenario/promql/parse.ts';
import { hasPromtool } from '../scenario/promql/promtool.ts';
import { parseCommandLine } from '../support/commandLine.ts';
import { containersOf, manifestSchema } from '../support/kubernetes.ts';

const root = resolve(import.meta.dirname, '../..');
const textOf = (file: string): string => readFileSync(join(root, file), 'utf8');
const units = ['deploy/systemd/hotfire-indexbus.service', 'deploy/systemd/hotfire-indexbus-standby.service'];
const hasSystemd = spawnSync('systemd-analyze', ['--version'], { stdio: 'ignore' }).status === 0;
const hugePage = 2 * 1024 * 1024;

/** Values of a unit's key, in order. */
function valuesOf(unit: string, key: string): string[] {
  return [...textOf(unit).matchAll(new RegExp(`^${key}=(.*)$`, 'gm'))].map(([, value = '']) => value);
}

/** Bytes of the segment that a configuration makes. */
function bytesOf(config: ReturnType<typeof indexbusConfigSchema.parse>): number {
  return segmentBytes({
    producers: config.producers_max,
    lanes: config.lanes_max,
    slots: config.slots_per_producer,
    laneRing: config.lane_ring,
    slotBytes: config.slot_bytes,
    topics: config.topics_max,
  });
}

describe('the units', () => {
  it.skipIf(!hasSystemd).each(units)('%s should be one that systemd understands', (unit) => {
    const directory = mkdtempSync(join(tmpdir(), 'hotfire-unit-'));
    try {
      const path = join(directory, basename(unit));
      // systemd looks whether the program is there.
      writeFileSync(path, textOf(unit).replaceAll('/usr/local/bin/hotfire', '/bin/true'));
      const { status, stdout, stderr } = spawnSync('systemd-analyze', ['verify', '--man=no', path], {
        encoding: 'utf8',
      });
      expect(stdout + stderr).toBe('');
      expect(status).toBe(0);
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  });

  it.each(units)('%s should call commands that there are, with the configuration beside it', async (unit) => {
    const commands = [...valuesOf(unit, 'ExecStartPre'), ...valuesOf(unit, 'ExecStart')];
    expect(commands.length).toBe(2);
    for (const command of commands) {
      const [program, ...words] = command.split(' ');
      expect(program).toBe('/usr/local/bin/hotfire');
      await parseCommandLine(words);
      expect(words[words.indexOf('--config') + 1]).toBe('/etc/hotfire/indexbus.yaml');
    }
    const config = indexbusConfigSchema.parse(parse(textOf('deploy/systemd/indexbus.yaml')));
    // Locked memory needs the limit; the segment's directory outlives the process.
    expect(config.lock_memory).toBe(true);
    expect(valuesOf(unit, 'LimitMEMLOCK')).toEqual(['infinity']);
    expect(`/run/${valuesOf(unit, 'RuntimeDirectory')[0]}`).toBe(config.segment.directory);
    expect(valuesOf(unit, 'RuntimeDirectoryPreserve')).toEqual(['yes']);
    // What is not tried again must be an exit code of a start that cannot succeed.
    expect(valuesOf(unit, 'RestartPreventExitStatus')).toEqual([`${ExitCode.usage} ${ExitCode.configuration}`]);
    expect(commands[1]).toMatch(/ --standby$/);
  });

  it('should have addresses and names of their own, which Prometheus scrapes', () => {
    const [first = '', second = ''] = units.map((unit) => valuesOf(unit, 'Environment').join(' '));
    expect(first).toBe('');
    const address = /INDEXBUS_ADMIN_LISTEN=(\S+)/.exec(second)?.[1] ?? '';
    expect(parseAddress(address)).toBeDefined();
    expect(second).toMatch(/INDEXBUS_ROUTER_ID=[a-z0-9-]+/);
    const [job] = prometheus().scrape_configs;
    expect(job?.static_configs?.[0]?.targets).toEqual([indexbusConfigSchema.parse({}).admin.listen, address]);
  });

  it('should ask for the huge pages that the segment needs twice while it is rolled', () => {
    const config = indexbusConfigSchema.parse(parse(textOf('deploy/systemd/indexbus.yaml')));
    const pages = Number(/^vm\.nr_hugepages = (\d+)$/m.exec(textOf('deploy/systemd/60-hotfire-indexbus.conf'))?.[1]);
    expect(pages).toBe(2 * Math.ceil(bytesOf(config) / hugePage));
  });
});

describe('the manifest of indexbus', () => {
  const manifests = parseAllDocuments(textOf('deploy/kubernetes/indexbus.yaml')).map((it) =>
    manifestSchema.parse(it.toJS()),
  );
  const daemon = manifests.find((it) => it.kind === 'DaemonSet');
  const text = manifests.find((it) => it.kind === 'ConfigMap')?.data['indexbus.yaml'] ?? '';
  const config = indexbusConfigSchema.parse(parse(text));
  const containers = manifests.flatMap(containersOf);
  const router = containers.find((it) => it.name === 'router');

  it('should start a router that finds its configuration, its secrets and its directories', async () => {
    await parseCommandLine(router?.args ?? []);
    const mounts = (router?.volumeMounts ?? []).map((it) => it.mountPath);
    const needed = [
      config.segment.directory,
      dirname(config.admin.tls?.cert ?? ''),
      dirname(config.admin.tokens_file ?? ''),
    ];
    for (const path of needed) expect(mounts).toContain(path);
    expect(mounts).toContain(dirname(router?.args[router.args.indexOf('--config') + 1] ?? ''));
    expect(router?.ports?.map((it) => it.containerPort)).toEqual([parseAddress(config.admin.listen)?.port]);
  });

  it('should keep the segment where every pod of the node finds it', () => {
    const volumes = daemon?.kind === 'DaemonSet' ? (daemon.spec.template.spec.volumes ?? []) : [];
    const hosts = volumes.flatMap((it) => ('hostPath' in it ? [it.name] : []));
    const shared = (router?.volumeMounts ?? []).filter((it) => hosts.includes(it.name)).map((it) => it.mountPath);
    expect(shared).toEqual([config.segment.directory, '/dev/hugepages']);
    // A memfd is reached through its holder's /proc, which pods do not share.
    expect(config.segment.backing).toBe('hugetlbfs');
  });

  it('should have the huge pages of a segment that is rolled', () => {
    const limit = Number(/^(\d+)Mi$/.exec(router?.resources.limits['hugepages-2Mi'] ?? '')?.[1]) * 1024 * 1024;
    expect(limit).toBe(2 * Math.ceil(bytesOf(config) / hugePage) * hugePage);
  });

  it('should be looked at where it answers without a token', () => {
    for (const probe of [router?.readinessProbe, router?.livenessProbe]) {
      expect(probe?.httpGet.scheme).toBe('HTTPS');
      expect(probe?.httpGet.port).toBe(parseAddress(config.admin.listen)?.port);
      expect(['/health/ready', '/health/live']).toContain(probe?.httpGet.path);
    }
  });
});

interface PrometheusConfig {
  readonly rule_files: readonly string[];
  readonly scrape_configs: readonly {
    readonly job_name: string;
    readonly static_configs?: readonly { readonly targets: readonly string[] }[];
    readonly dns_sd_configs?: readonly { readonly names: readonly string[]; readonly port: number }[];
    readonly relabel_configs?: readonly { readonly target_label: string; readonly replacement: string }[];
  }[];
}

function prometheus(): PrometheusConfig {
  // promtool checks the shape.
  return parse(textOf('deploy/prometheus/indexbus.yaml')) as PrometheusConfig;
}

describe('the scraping', () => {
  it.skipIf(!hasPromtool)('should be a configuration of Prometheus (promtool)', () => {
    const path = join(root, 'deploy/prometheus/indexbus.yaml');
    const { status, stderr } = spawnSync('promtool', ['check', 'config', '--syntax-only', path], { encoding: 'utf8' });
    expect(stderr).not.toMatch(/FAILED/);
    expect(status).toBe(0);
  });

  it('should evaluate the rules, and give each router the job for which they look', () => {
    const { rule_files, scrape_configs } = prometheus();
    const rules = rule_files.map((file) => resolve(root, 'deploy/prometheus', file));
    expect(rules).toEqual([join(root, 'alerts/indexbus.yaml')]);
    expect(existsSync(rules[0] ?? '')).toBe(true);
    const jobs = [...textOf('alerts/indexbus.yaml').matchAll(/job="([^"]+)"/g)].map(([, job]) => job);
    expect(new Set(jobs)).toEqual(new Set(['indexbus']));
    for (const { job_name, relabel_configs = [] } of scrape_configs) {
      const given = relabel_configs.find((it) => it.target_label === 'job')?.replacement ?? job_name;
      expect(given).toBe('indexbus');
    }
  });

  it('should find the routers of Kubernetes by the name of their service', () => {
    const found = prometheus().scrape_configs.flatMap((it) => it.dns_sd_configs ?? []);
    expect(found).toEqual([{ names: ['hotfire-indexbus.default.svc'], type: 'A', port: 9109 }]);
  });
});

interface Dashboard {
  readonly panels: readonly {
    readonly id: number;
    readonly type: string;
    readonly title: string;
    readonly targets?: readonly { readonly expr: string }[];
    readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
  }[];
}

describe('the dashboard', () => {
  // The shape is Grafana's; what is read of it is checked below.
  const { panels } = JSON.parse(textOf('deploy/grafana/indexbus.json')) as Dashboard;
  const exprs = panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr));

  it('should have a row for each side of the checklist, after the first look', () => {
    const rows = panels.filter(({ type }) => type === 'row').map(({ title }) => title.split(':')[0]);
    expect(rows).toEqual(['First look', 'Upstream', 'Downstream', 'Internal']);
    expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length);
    const places = panels.map(({ gridPos: { x, y } }) => `${x},${y}`);
    expect(new Set(places).size).toBe(places.length);
  });

  it('should ask for metrics that routers have, in expressions that are some', () => {
    // Names stand in the code without the prefix, and without what is put after those of counters and histograms.
    const folder = 'src/engines/indexbus/metrics';
    const code = readdirSync(join(root, folder))
      .map((file) => textOf(`${folder}/${file}`))
      .join('');
    expect(exprs.length).toBeGreaterThan(25);
    for (const expr of exprs) {
      parsePromql(expr.replaceAll('$__rate_interval', '1m').replaceAll(/\$(region|router_id)/g, 'x'));
      for (const [, name = ''] of expr.matchAll(/indexbus_([a-z_]+)/g)) {
        expect(code).toContain(`'${name.replace(/_bucket$/, '')}'`);
      }
    }
  });
});
