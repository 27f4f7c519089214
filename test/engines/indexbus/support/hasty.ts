import type { Host } from '../../../../src/host/host.ts';

/** The host of who rolls: its time runs so much faster than that of the others. */
export function hasty(host: Host, faster: number): Host {
  const { clock } = host;
  return {
    ...host,
    clock: {
      ...clock,
      now: () => clock.now() * faster,
      sleep: (ms, signal) => clock.sleep(ms / faster, signal),
    },
  };
}
