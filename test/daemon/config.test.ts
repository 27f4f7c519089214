import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { loadConfig } from '../../src/daemon/config/load.ts';
import { ConfigError } from '../../src/daemon/config/problems.ts';
import type { EngineDefinition } from '../../src/engines/engine.ts';
import { streambus } from '../../src/engines/streambus/engine.ts';

const schema = z.strictObject({
  wal: z
    .strictObject({
      dir: z.string().default('/wal'),
      segment_bytes: z.number().int().min(1024).max(4096).default(2048),
      strict_tail: z.boolean().default(false),
    })
    .refine((wal) => wal.dir !== '/tmp', {
      path: ['dir'],
      message: 'expected a directory that survives, got /tmp: move it',
    })
    .prefault({}),
  server: z
    .strictObject({
      bind: z.string().default('127.0.0.1:1'),
      tls: z.strictObject({ cert: z.string(), client_ca: z.string().optional() }).optional(),
    })
    .prefault({}),
  limit: z.union([z.literal('off'), z.number()]).default('off'),
});

const definition: EngineDefinition<z.infer<typeof schema>> = {
  points: { probes: [], faultPoints: [] },
  name: 'toy',
  summary: 'for this test',
  configSchema: schema,
  environmentPrefix: 'TOY',
  environmentAliases: { TOY_BIND_ADDR: 'server.bind' },
  environmentElsewhere: ['TOY_BROKERS'],
  stateDirectory: () => '/nowhere',
  server: (config) => ({ bind: config.server.bind, maxBodyBytes: 1 }),
  start: () => Promise.reject(new Error('not started here')),
};

const directory = mkdtempSync(join(tmpdir(), 'hotfire-config-'));
afterAll(() => rmSync(directory, { recursive: true }));

function load(name: string, text: string, environment: Record<string, string> = {}) {
  const file = join(directory, name);
  writeFileSync(file, text);
  return loadConfig(definition, { file, environment });
}

function problems(name: string, text: string, environment: Record<string, string> = {}): string[] {
  try {
    load(name, text, environment);
  } catch (error) {
    if (error instanceof ConfigError) return error.message.replaceAll(`${directory}/`, '').split('\n');
    throw error;
  }
  return [];
}

describe('configuration', () => {
  it('should give the defaults for an empty file and for none', () => {
    const defaults = {
      wal: { dir: '/wal', segment_bytes: 2048, strict_tail: false },
      server: { bind: '127.0.0.1:1' },
      limit: 'off',
    };
    expect(load('empty.yaml', '').config).toEqual(defaults);
    expect(load('empty.toml', '').config).toEqual(defaults);
    expect(loadConfig(definition, { environment: {} }).config).toEqual(defaults);
  });

  it('should read YAML and TOML alike', () => {
    expect(load('a.yaml', 'wal:\n  segment_bytes: 1024\n').config.wal.segment_bytes).toBe(1024);
    expect(load('a.toml', '[wal]\nsegment_bytes = 1024 # comment\n').config.wal.segment_bytes).toBe(1024);
  });

  it('should name file, line and nearest key of an unknown one', () => {
    const expected =
      ': wal.segment_byte: expected one of dir, segment_bytes, strict_tail, got "segment_byte"; did you mean wal.segment_bytes?';
    expect(problems('b.yaml', '# comment\nwal:\n  dir: /x\n  segment_byte: 1024\n')).toEqual([`b.yaml:4${expected}`]);
    expect(problems('b.toml', '# comment\n[wal]\ndir = "/x"\n\nsegment_byte = 1024\n')).toEqual([
      `b.toml:5${expected}`,
    ]);
    expect(problems('c.toml', '\nwal.segment_byte = 1024\n')).toEqual([`c.toml:2${expected}`]);
  });

  it('should find a key that stands in the wrong section', () => {
    expect(problems('d.yaml', 'segment_bytes: 1024\n')).toEqual([
      'd.yaml:1: segment_bytes: expected one of wal, server, limit, got "segment_bytes"; did you mean wal.segment_bytes?',
    ]);
  });

  it('should say what was expected and what came, for all problems at once', () => {
    expect(
      problems('e.yaml', 'wal:\n  segment_bytes: 10\n  strict_tail: maybe\nlimit: on\nserver:\n  tls: {}\n'),
    ).toEqual([
      'e.yaml:2: wal.segment_bytes: expected at least 1024, got 10',
      'e.yaml:3: wal.strict_tail: expected a boolean, got "maybe"',
      'e.yaml:6: server.tls.cert: expected a string, got nothing',
      'e.yaml:4: limit: expected one of "off" or a number, got "on"',
    ]);
  });

  it('should give the sentence of a rule over several keys as it is', () => {
    expect(problems('n.yaml', 'wal:\n  dir: /tmp\n')).toEqual([
      'n.yaml:2: wal.dir: expected a directory that survives, got /tmp: move it',
    ]);
  });

  it('should give the line of broken syntax', () => {
    expect(problems('f.yaml', 'wal:\n  dir: "x\n')).toEqual([
      expect.stringMatching(/^f\.yaml:\d+: expected well-formed YAML, got /),
    ]);
    expect(problems('f.toml', '[wal]\ndir = \n')).toEqual([
      expect.stringMatching(/^f\.toml:2: expected well-formed TOML, got /),
    ]);
    expect(problems('g.yaml', 'wal: {}\nwal: {}\n')).toEqual([
      expect.stringContaining('g.yaml:2: expected well-formed YAML'),
    ]);
  });

  it('should refuse other endings and files that are not there', () => {
    expect(problems('h.ini', '')).toEqual([
      'h.ini: expected a file that ends in .yaml, .yml, .json or .toml, got .ini',
    ]);
    expect(() => loadConfig(definition, { file: '/nowhere/x.yaml', environment: {} })).toThrow(
      '/nowhere/x.yaml: expected a readable file, got ENOENT',
    );
  });

  it('should refuse a top level that is no table', () => {
    expect(problems('i.yaml', '- 1\n')).toEqual(['i.yaml: expected a section, got [1]']);
  });

  it('should let the environment win over the file, by the type of the key', () => {
    const { config } = load('j.yaml', 'wal:\n  dir: /x\n', {
      TOY_WAL_DIR: '123',
      TOY_WAL_SEGMENT_BYTES: '4096',
      TOY_WAL_STRICT_TAIL: 'true',
      TOY_SERVER_TLS_CERT: 'a.pem',
      TOY_BIND_ADDR: '0.0.0.0:2',
      TOY_LIMIT: '2.5',
    });
    expect(config).toEqual({
      wal: { dir: '123', segment_bytes: 4096, strict_tail: true },
      server: { bind: '0.0.0.0:2', tls: { cert: 'a.pem' } },
      limit: 2.5,
    });
  });

  it('should let the command line win over both, key by key', () => {
    const file = join(directory, 'o.yaml');
    writeFileSync(file, 'wal:\n  dir: /x\n  strict_tail: false\n');
    const environment = { TOY_WAL_STRICT_TAIL: 'false' };
    const { config } = loadConfig(definition, { file, environment, overrides: { wal: { strict_tail: true } } });
    expect(config.wal).toEqual({ dir: '/x', segment_bytes: 2048, strict_tail: true });
  });

  it('should name the variable of a bad value', () => {
    expect(problems('k.yaml', 'wal:\n  segment_bytes: 1024\n', { TOY_WAL_SEGMENT_BYTES: 'many' })).toEqual([
      'environment TOY_WAL_SEGMENT_BYTES: wal.segment_bytes: expected a number, got "many"',
    ]);
  });

  it('should refuse a name and an alias that disagree', () => {
    expect(problems('l.yaml', '', { TOY_SERVER_BIND: 'a:1', TOY_BIND_ADDR: 'b:1' })).toEqual([
      'environment TOY_BIND_ADDR: server.bind: expected the same value as TOY_SERVER_BIND ("a:1"), got "b:1"',
    ]);
    expect(load('l.yaml', '', { TOY_SERVER_BIND: 'a:1', TOY_BIND_ADDR: 'a:1' }).config.server.bind).toBe('a:1');
  });

  it('should refuse a mistyped variable where the engine asks for that, and leave alone what others set', () => {
    const load = (environment: Record<string, string>) => loadConfig(streambus, { environment });
    expect(() => load({ STREAMBUS_STORAGE_DATA_DR: '/d', STREAMBUS_SERVER_PORT: 'x' })).toThrow(
      /^environment: expected the name of a key, got STREAMBUS_STORAGE_DATA_DR; did you mean STREAMBUS_STORAGE_DATA_DIR\?\nenvironment STREAMBUS_SERVER_PORT: server.port: /,
    );
    expect(load({ STREAMBUS_COLOUR_OF_THE_OFFICE_WALL: 'x' }).warnings).toEqual([
      'environment variable STREAMBUS_COLOUR_OF_THE_OFFICE_WALL sets nothing',
    ]);
    // What Kubernetes sets for a service of this name.
    const ofService = {
      STREAMBUS_SERVICE_HOST: '10.0.0.1',
      STREAMBUS_SERVICE_PORT: '9092',
      STREAMBUS_SERVICE_PORT_KAFKA: '9092',
      STREAMBUS_PORT: 'tcp://10.0.0.1:9092',
      STREAMBUS_PORT_9092_TCP: 'tcp://10.0.0.1:9092',
      STREAMBUS_PORT_9092_TCP_PORT: '9092',
    };
    expect(load(ofService).warnings).toEqual([]);
  });

  it('should warn of a variable with the prefix that sets nothing', () => {
    expect(load('m.yaml', '', { TOY_WAL_DIRR: '/x', OTHER: '1', TOY_WAL_DIR: '', TOY_BROKERS: 'a' }).warnings).toEqual([
      'environment variable TOY_WAL_DIRR sets nothing; did you mean TOY_WAL_DIR?',
    ]);
  });
});
