import { describe } from 'vitest';
import { createRealHost } from '../../src/real/host.ts';
import { networkConformance } from './network.conformance.ts';
import { inSimulation } from './simulated.ts';

describe('network, simulated', () => {
  networkConformance(async (body) => {
    await inSimulation((client, server) => body({ client, server, serverHost: 'b' }));
  });
});

describe('network, real', () => {
  networkConformance((body) => {
    const host = createRealHost({ name: 'here' });
    return body({ client: host, server: host, serverHost: '127.0.0.1' });
  });
});
