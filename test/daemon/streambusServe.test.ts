import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { prepareSettings } from '../../src/daemon/http/settings.ts';
import { type StreamBusConfig, streamBusConfigSchema } from '../../src/engines/streambus/config.ts';
import { streambus } from '../../src/engines/streambus/engine.ts';
import { runHotfire } from './daemonProcess.ts';

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'hotfire-streambus-serve-'));
});
afterEach(() => rmSync(directory, { recursive: true }));

const prepare = (security: Record<string, unknown>, host = '127.0.0.1') => {
  const config: StreamBusConfig = streamBusConfigSchema.parse({ server: { host }, security });
  return () => prepareSettings(streambus.server(config));
};

function write(name: string, text: string): string {
  writeFileSync(join(directory, name), text);
  return join(directory, name);
}

it.each(['tls', 'inter_broker.tls', 'admin.tls'])(
  'should name key and path of security.%s that cannot be read',
  (of) => {
    const cert = write('cert.pem', 'no certificate');
    const nested = (files: unknown) =>
      of.split('.').reduceRight<Record<string, unknown>>((inner, name) => ({ [name]: inner }), files as never);
    expect(prepare(nested({ cert, key: '/missing/key.pem' }))).toThrow(
      `security.${of}.key: key file /missing/key.pem: expected a readable file, got ENOENT`,
    );
    expect(prepare(nested({ cert: '/missing/cert.pem', key: cert }))).toThrow(`security.${of}.cert: `);
    expect(prepare(nested({ cert, key: cert }))).toThrow(
      `security.${of}: expected a PEM certificate and its key in ${cert}`,
    );
  },
);

it('should name the key of a secret that is missing or empty', () => {
  const key = 'security.inter_broker.secret_file';
  expect(prepare({ inter_broker: { secret_file: '/missing/secret' } })).toThrow(
    `${key}: secret file /missing/secret: `,
  );
  const empty = write('secret', '');
  expect(prepare({ inter_broker: { secret_file: empty } })).toThrow(`${key}: ${empty}: expected a secret, got nothing`);
  write('secret', 's');
  expect(prepare({ inter_broker: { secret_file: empty } })()).toMatchObject({ host: '127.0.0.1', port: 8080 });
});

it('should name the keys that let HTTP be reached from elsewhere', () => {
  expect(prepare({}, '0.0.0.0')).toThrow(
    '0.0.0.0:8080 is reachable from other machines: expected a tokens file in security.admin.token_file, got none; configure them, set security.admin.allow_anonymous on a network that is trusted, or set server.host to 127.0.0.1',
  );
});

it('should say with --validate-config what a start would end with', () => {
  const missing = write(
    'broker.yaml',
    'server: {host: 127.0.0.1}\nsecurity: {tls: {cert: /missing/c.pem, key: /missing/k.pem}}\n',
  );
  const refused = runHotfire('serve', 'streambus', '--config', missing, '--validate-config');
  expect([refused.code, refused.stderr]).toEqual([
    78,
    expect.stringContaining('security.tls.cert: certificate file /missing/c.pem'),
  ]);
  const tokens = write('tokens', 'sixteen-characters admin\n');
  const open = write('open.yaml', `security: {admin: {token_file: ${tokens}}}\n`);
  const door = runHotfire('serve', 'streambus', '--config', open, '--validate-config');
  expect([door.code, door.stderr]).toEqual([78, expect.stringContaining('security.inter_broker.secret_file')]);
});

it.each([false, true])(
  'should end with 71 when the port of HTTP is taken; with a directory already: %s',
  async (isMade) => {
    const blocker = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => blocker.once('listening', resolve));
    const { port } = blocker.address() as AddressInfo; // of a TCP server that listens
    const data = isMade ? directory : join(directory, 'data');
    const file = write(
      'broker.yaml',
      `server: {host: 127.0.0.1, port: ${port + 1}, rpc_port: ${port + 2}, http_port: ${port}}\nstorage: {data_dir: ${data}}\n`,
    );
    const run = runHotfire('serve', 'streambus', '--config', file);
    expect([run.code, run.stdout]).toEqual([
      71,
      expect.stringContaining(`server.http_port: 127.0.0.1:${port} cannot be listened at (EADDRINUSE)`),
    ]);
    await new Promise((resolve) => blocker.close(resolve));
  },
);
