import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { Header, layoutVersion } from '../../src/engines/indexbus/layout.ts';
import { hugetlbfsMount } from '../../src/real/shm/directory.ts';
import { loadShm } from '../../src/real/shm/load.ts';
import { HOTFIRE } from './daemonProcess.ts';

const isMapped = loadShm().by !== 'nobody';
const directory = isMapped ? mkdtempSync('/dev/shm/hotfire-indexbus-config-') : '';
const onDisk = mkdtempSync(join(tmpdir(), 'hotfire-indexbus-config-'));

const children: ChildProcess[] = [];

afterAll(() => {
  for (const child of children) child.kill('SIGKILL');
  for (const path of [directory, onDisk]) if (path !== '') rmSync(path, { recursive: true, force: true });
});

interface Ended {
  readonly code: number | null;
  readonly text: string;
}

function spawned(...words: string[]) {
  const [node, main] = HOTFIRE;
  const child = spawn(node, [main, ...words]);
  children.push(child);
  let text = '';
  const serving = Promise.withResolvers<void>();
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (bytes: Buffer) => {
      text += bytes.toString();
      if (text.includes('"msg":"serving"')) serving.resolve();
    });
  }
  const exited = new Promise<Ended>((resolve) => child.on('close', (code) => resolve({ code, text })));
  return { child, exited, serving: Promise.race([serving.promise, exited]) };
}

function hotfire(...words: string[]): Promise<Ended> {
  return spawned(...words).exited;
}

/** How much is free changes from one look to the next: other programs use the same directory. */
function withoutRoom(text: string): string {
  return text.replaceAll(/\d[\d.]* (KiB|MiB)/g, 'N').replaceAll(/size=\d+m/g, 'size=N');
}

let files = 0;

function configured(segment: object, more: object = {}): string {
  files += 1;
  const file = join(onDisk, `${files}.json`);
  writeFileSync(
    file,
    JSON.stringify({
      admin: { listen: '127.0.0.1:0' },
      segment: { name: 'refused', directory, ...segment },
      lock_memory: false,
      ...more,
    }),
  );
  return file;
}

const isDisk = !onDisk.startsWith('/dev/shm');

describe.skipIf(!isMapped)(
  'a configuration that this machine cannot serve (skipped with neither addon nor FFI)',
  () => {
    // Each: what is wrong, the exit code of starting, the code of the error, what the text has.
    it.each<[string, () => string, number, string, RegExp]>([
      [
        'memory of one process',
        () => configured({ backing: 'sab' }),
        78,
        'IB_BAD_CONFIG',
        /expected sab, got none.*auto/,
      ],
      ['an unknown group', () => configured({ group: 'no-such-group' }), 78, 'IB_BAD_CONFIG', /no group no-such-group/],
      [
        'no such directory',
        () => configured({ directory: `${directory}/none` }),
        78,
        'IB_NOT_MEMORY',
        /none is not there/,
      ],
      [
        'more than the directory has',
        () =>
          configured({ backing: 'tmpfs' }, { producers_max: 64, slots_per_producer: 1_048_576, slot_bytes: 65_536 }),
        74,
        'IB_NO_SPACE',
        /are needed, .* are free/,
      ],
      ...(isDisk
        ? ([['a disk', () => configured({ directory: onDisk }), 78, 'IB_NOT_MEMORY', /is not on tmpfs/]] satisfies [
            string,
            () => string,
            number,
            string,
            RegExp,
          ][])
        : []),
      ...(hugetlbfsMount() === undefined
        ? ([
            ['no hugetlbfs', () => configured({ backing: 'hugetlbfs' }), 78, 'IB_BAD_CONFIG', /mount -t hugetlbfs/],
          ] satisfies [string, () => string, number, string, RegExp][])
        : []),
    ])(
      'should be refused by serve, --validate-config and doctor in the same words: %s',
      {
        timeout: 60_000,
      },
      async (_, file, code, name, words) => {
        const config = file();
        const [served, validated, judged] = await Promise.all([
          hotfire('serve', 'indexbus', '--config', config),
          hotfire('serve', 'indexbus', '--config', config, '--validate-config'),
          hotfire('doctor', 'indexbus', '--config', config, '--strict'),
        ]);
        expect(served.code).toBe(code);
        expect(validated.code).toBe(code);
        expect(judged.code).toBe(1);
        const line = served.text.split('\n').find((text) => text.includes('cannot start')) ?? '{}';
        const said: { reason?: string; code?: string } = JSON.parse(line);
        expect(said.code).toBe(name);
        expect(said.reason).toMatch(words);
        expect(withoutRoom(validated.text)).toContain(withoutRoom(`error: ${name}: ${said.reason}`));
      },
    );

    it('should be refused by --strict wherever doctor --strict ends with 1', {
      timeout: 60_000,
    }, async () => {
      const config = configured({ name: 'strict' }, { numa_node: 200 });
      const [strict, validated, judged] = await Promise.all([
        hotfire('serve', 'indexbus', '--config', config, '--strict'),
        hotfire('serve', 'indexbus', '--config', config, '--strict', '--validate-config'),
        hotfire('doctor', 'indexbus', '--config', config, '--strict'),
      ]);
      expect([strict.code, validated.code, judged.code]).toEqual([77, 77, 1]);
      for (const { text } of [strict, validated, judged]) expect(text).toContain('there is no node 200');
      expect((await hotfire('serve', 'indexbus', '--config', config, '--validate-config')).code).toBe(0);
    });

    it('should say who has the address, and end with 74', { timeout: 60_000 }, async () => {
      const server = createServer();
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      const address = server.address();
      const port = typeof address === 'object' && address !== null ? address.port : 0;
      try {
        const config = configured({ name: 'port' }, { admin: { listen: `127.0.0.1:${port}` } });
        const { code, text } = await hotfire('serve', 'indexbus', '--config', config);
        expect(code).toBe(74);
        expect(text).toContain(`127.0.0.1:${port}`);
        expect(text).not.toContain('DEFECT');
      } finally {
        server.close();
      }
    });

    it('should say that the file which names the memory is damaged, and end with 65', { timeout: 60_000 }, async () => {
      const own = join(directory, 'damaged');
      mkdirSync(own);
      writeFileSync(join(own, 'refused.json'), 'no JSON');
      const { code, text } = await hotfire('serve', 'indexbus', '--config', configured({ directory: own }));
      expect(code).toBe(65);
      expect(text).toContain('IB_CORRUPT');
      expect(text).toContain('refused.json is damaged: end what uses it and remove it');
    });

    it('should say of a segment of another release who made it and what is to be removed; then it starts', {
      timeout: 60_000,
    }, async () => {
      const config = configured({ name: 'old', backing: 'tmpfs' });
      const first = spawned('serve', 'indexbus', '--config', config);
      await first.serving;
      first.child.kill('SIGKILL');
      await first.exited;
      const { place } = JSON.parse(readFileSync(join(directory, 'old.json'), 'utf8'));
      for (const [version, whose] of [
        [layoutVersion - 1, `an older release made it: end its participants and its router, remove old.json`],
        [layoutVersion + 1, 'a newer release made it: start this program with the release of the segment'],
      ] as const) {
        const file = openSync(place, 'r+');
        writeSync(file, Int32Array.of(version), 0, 4, 4 * Header.version);
        closeSync(file);
        const { code, text } = await hotfire('serve', 'indexbus', '--config', config);
        expect(code).toBe(65);
        expect(text).toContain(`old has layout ${version}, this program has layout ${layoutVersion}; ${whose}`);
      }
      rmSync(join(directory, 'old.json'));
      const next = spawned('serve', 'indexbus', '--config', config);
      await next.serving;
      next.child.kill('SIGTERM');
      expect((await next.exited).code).toBe(0);
    });

    it('should say of a segment that has other sizes that it serves as it is', { timeout: 60_000 }, async () => {
      const first = spawned('serve', 'indexbus', '--config', configured({ name: 'sized', backing: 'tmpfs' }));
      await first.serving;
      const config = configured({ name: 'sized', backing: 'tmpfs' }, { lanes_max: 32, slots_per_producer: 1_048_576 });
      const [validated, judged] = await Promise.all([
        hotfire('serve', 'indexbus', '--config', config, '--strict', '--validate-config'),
        hotfire('doctor', 'indexbus', '--config', config),
      ]);
      expect(validated).toMatchObject({ code: 0, text: expect.stringMatching(/warning: memory_size: .* already, of/) });
      expect(validated.text).toMatch(/valid; would listen on .*, with [\d.]+ GiB of shared memory/);
      expect(judged.text).toMatch(/^memory_size .* differs$/m);
      first.child.kill('SIGTERM');
      await first.exited;
    });

    it('should ask nothing of the machine for a control plane, which has no segment', { timeout: 60_000 }, async () => {
      const config = configured(
        { directory: `${directory}/none` },
        { role: 'control', control_plane: { address: '127.0.0.1:0' } },
      );
      expect((await hotfire('serve', 'indexbus', '--config', config, '--validate-config')).code).toBe(0);
    });
  },
);
