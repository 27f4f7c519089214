import { z } from 'zod';

// The part of the Kubernetes API that the manifests here use (API reference, v1.33), strict: a misspelt key is an error.

const labels = z.record(z.string(), z.string());
const metadata = z.strictObject({ name: z.string().regex(/^[a-z0-9-]+$/), labels: labels.optional() });
const quantity = z.string().regex(/^\d+(m|Mi|Gi)?$/);
const hugePages = { 'hugepages-2Mi': quantity.optional() };
const resources = z
  .strictObject({
    requests: z.strictObject({ cpu: quantity, memory: quantity, ...hugePages }),
    limits: z.strictObject({ memory: quantity, ...hugePages }),
  })
  .refine(
    ({ requests, limits }) => requests['hugepages-2Mi'] === limits['hugepages-2Mi'],
    'huge pages cannot be overcommitted: requests and limits are equal',
  );
const probe = z.strictObject({
  httpGet: z.strictObject({ path: z.string().startsWith('/'), port: z.number(), scheme: z.enum(['HTTP', 'HTTPS']) }),
  periodSeconds: z.number(),
  failureThreshold: z.number().optional(),
});
const environment = z.union([
  z.strictObject({ name: z.string(), value: z.string() }),
  z.strictObject({
    name: z.string(),
    valueFrom: z.strictObject({ secretKeyRef: z.strictObject({ name: z.string(), key: z.string() }) }),
  }),
]);
const container = z.strictObject({
  name: z.string(),
  image: z.string().regex(/^[a-z]+:\d/),
  command: z.array(z.string()).optional(),
  args: z.array(z.string()),
  env: z.array(environment).optional(),
  ports: z.array(z.strictObject({ containerPort: z.number() })).optional(),
  resources,
  readinessProbe: probe.optional(),
  livenessProbe: probe.optional(),
  securityContext: z.strictObject({ runAsUser: z.number() }).optional(),
  volumeMounts: z
    .array(
      z.strictObject({ name: z.string(), mountPath: z.string().startsWith('/'), readOnly: z.boolean().optional() }),
    )
    .optional(),
});
const volume = z.union([
  z.strictObject({ name: z.string(), persistentVolumeClaim: z.strictObject({ claimName: z.string() }) }),
  z.strictObject({ name: z.string(), configMap: z.strictObject({ name: z.string() }) }),
  z.strictObject({ name: z.string(), secret: z.strictObject({ secretName: z.string() }) }),
  z.strictObject({
    name: z.string(),
    hostPath: z.strictObject({ path: z.string().startsWith('/'), type: z.literal('DirectoryOrCreate') }),
  }),
]);
const podOf = <R extends z.ZodType>(restartPolicy: R) =>
  z.strictObject({
    metadata: z.strictObject({ labels }).optional(),
    spec: z.strictObject({
      restartPolicy,
      terminationGracePeriodSeconds: z.number().optional(),
      securityContext: z.strictObject({ fsGroup: z.number() }).optional(),
      initContainers: z.array(container).optional(),
      containers: z.array(container).min(1),
      volumes: z.array(volume).optional(),
    }),
  });
const claim = z.strictObject({
  accessModes: z.array(z.enum(['ReadWriteOnce', 'ReadWriteMany'])),
  resources: z.strictObject({ requests: z.strictObject({ storage: quantity }) }),
});
const failureRule = z.union([
  z.strictObject({
    action: z.literal('Ignore'),
    onPodConditions: z.array(z.strictObject({ type: z.literal('DisruptionTarget') })),
  }),
  z.strictObject({
    action: z.enum(['FailIndex', 'FailJob']),
    onExitCodes: z.strictObject({ operator: z.literal('In'), values: z.array(z.number()) }),
  }),
]);
const selector = z.strictObject({ matchLabels: labels });
const alwaysRestarted = podOf(z.undefined().optional());

/** One document of a manifest. */
export const manifestSchema = z.discriminatedUnion('kind', [
  z.strictObject({
    apiVersion: z.literal('v1'),
    kind: z.literal('Service'),
    metadata,
    spec: z.strictObject({
      clusterIP: z.literal('None').optional(),
      selector: labels,
      ports: z.array(z.strictObject({ port: z.number() })),
    }),
  }),
  z.strictObject({
    apiVersion: z.literal('v1'),
    kind: z.literal('ConfigMap'),
    metadata,
    data: z.record(z.string(), z.string()),
  }),
  z.strictObject({ apiVersion: z.literal('v1'), kind: z.literal('PersistentVolumeClaim'), metadata, spec: claim }),
  z.strictObject({
    apiVersion: z.literal('batch/v1'),
    kind: z.literal('Job'),
    metadata,
    spec: z
      .strictObject({
        completionMode: z.literal('Indexed').optional(),
        completions: z.number().optional(),
        parallelism: z.number().optional(),
        backoffLimit: z.number().optional(),
        backoffLimitPerIndex: z.number().optional(),
        podFailurePolicy: z.strictObject({ rules: z.array(failureRule) }).optional(),
        // With a podFailurePolicy no other is allowed.
        template: podOf(z.literal('Never')),
      })
      .refine(
        (spec) => spec.completionMode === 'Indexed' || spec.backoffLimitPerIndex === undefined,
        'backoffLimitPerIndex goes with completionMode Indexed',
      ),
  }),
  z.strictObject({
    apiVersion: z.literal('apps/v1'),
    kind: z.literal('Deployment'),
    metadata,
    spec: z.strictObject({ replicas: z.number(), selector, template: alwaysRestarted }),
  }),
  z.strictObject({
    apiVersion: z.literal('apps/v1'),
    kind: z.literal('DaemonSet'),
    metadata,
    spec: z.strictObject({
      selector,
      updateStrategy: z.strictObject({ type: z.enum(['RollingUpdate', 'OnDelete']) }).optional(),
      template: alwaysRestarted,
    }),
  }),
  z.strictObject({
    apiVersion: z.literal('apps/v1'),
    kind: z.literal('StatefulSet'),
    metadata,
    spec: z.strictObject({
      serviceName: z.string(),
      replicas: z.number(),
      selector,
      template: alwaysRestarted,
      volumeClaimTemplates: z.array(z.strictObject({ metadata, spec: claim })),
    }),
  }),
]);

export type Manifest = z.output<typeof manifestSchema>;
export type Container = z.output<typeof container>;

/** The containers that a manifest starts. */
export function containersOf(manifest: Manifest): Container[] {
  if (!('spec' in manifest) || !('template' in manifest.spec)) return [];
  const { initContainers = [], containers } = manifest.spec.template.spec;
  return [...initContainers, ...containers];
}
